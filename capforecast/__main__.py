"""``python -m capforecast`` is the command line."""

from capforecast.cli.start import program

if __name__ == "__main__":
    program()
