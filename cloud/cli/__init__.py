"""What a person types: admissions, rota, actions, a look at a topic."""
