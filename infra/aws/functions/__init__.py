"""Lambda functions, each small enough for a template; `python -m infra.aws.embed` copies them there."""
