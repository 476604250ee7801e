"""Lambda functions, each small enough for a template; `python -m infra.aws.inline_lambda_code` copies them there."""
