"""The AWS stack: CloudFormation templates, container image, Spark jobs, and the checks that hold them together."""
