"""The quality gate: Great Expectations as engine, our verdict and our report."""
