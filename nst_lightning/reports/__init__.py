"""Tables, figures and pages made from measures."""
