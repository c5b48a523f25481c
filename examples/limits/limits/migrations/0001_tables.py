from limits.repository import Windows

MODELS = [Windows]
