"""FHIR R4: resources, search parameters, routes."""
