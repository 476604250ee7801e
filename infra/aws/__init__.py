"""The AWS stack: CloudFormation templates, container image, Spark jobs, and checks of the templates."""
