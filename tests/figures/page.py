"""What tests ask a drawn page."""

from matplotlib.colors import to_hex


def lines(axes):
    """The points of each curve of a panel, by colour and style."""
    return {
        (to_hex(line.get_color()), line.get_linestyle()): line.get_xydata()
        for line in axes.lines
        if line.get_linestyle() != "None" and line.get_marker() == "o"
    }


def titled(figure):
    """The panels of a page by their titles."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
