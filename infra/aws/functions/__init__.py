"""Lambda functions, each small enough to stand in a template; `python -m infra.aws.embed` puts them there."""
