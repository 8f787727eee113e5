"""How a Python service starts, commands and asks: `from stockkeeper import Stockkeeper`."""
