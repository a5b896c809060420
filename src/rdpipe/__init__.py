"""rdpipe: rate-distortion studies of β-VAEs under controlled generalisation problems."""
