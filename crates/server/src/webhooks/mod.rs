//! Webhooks: the merchant's events, delivered in order of their retries, with a log.
