"""What tests share: no test imports another, so what two of them need is here, by subject where a subject has much."""
