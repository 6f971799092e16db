"""What the service keeps: captures, jobs, findings, and what people decided about them."""
