from notes.repository import Notes

MODELS = [Notes]
