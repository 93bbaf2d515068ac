"""Where moto's Batch differs from the service, and how it is corrected."""
