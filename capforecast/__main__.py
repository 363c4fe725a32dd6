"""``python -m capforecast`` is the command line."""

from capforecast.cli import main

if __name__ == "__main__":
    main(prog_name="capforecast")
