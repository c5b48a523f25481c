# Nothing else belongs here: what a parent package imports, every client process loads.
__version__ = "0.1.0"
