from jobs.repository import Jobs

MODELS = [Jobs]
