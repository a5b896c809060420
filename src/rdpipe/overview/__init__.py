"""What people ask about a study: its cost, its progress, its runs, and what differs."""
