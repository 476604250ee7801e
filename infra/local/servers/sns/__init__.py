"""A bad SNS: what moto never does, for tests, storms and benchmarks; it speaks the query protocol that boto3 speaks.

moto confirms every subscription, fails no number, and answers later the more it keeps. This one answers in a time that
is an option, and has what the documentation of Amazon SNS tells (titles of its pages in brackets):

- A subscription by e-mail is pending until its person confirms it. Nothing goes to a pending one, and `Publish` gives a
  message id all the same. After 48 hours it is gone. [API Reference, Subscribe; ConfirmSubscription; What's New, May
  2023, "automatic deletion of unconfirmed subscriptions"]
- A pending one is listed as `PendingConfirmation` in place of its ARN, and one that was ended by another than its owner
  as `Deleted`; neither can be unsubscribed by that word. [API Reference, ListSubscriptionsByTopic; re:Post, "How do I
  recreate a Deleted Amazon SNS topic subscription"]
- More than ten e-mails a second deactivate their subscription: it is pending again. [Developer Guide, "Amazon SNS email
  subscription setup and management"]
- A number that has opted out stays subscribed. `Publish` to its topic, and to the number itself, is accepted: an error
  is not among those of `Publish`, and the refusal, "Phone number is opted out", stands in the delivery status logs
  alone. [Developer Guide, "Managing phone numbers and SMS subscriptions"; "Amazon SNS SMS delivery monitoring with
  Amazon CloudWatch metrics and logs"; API Reference, Publish]
- What is accepted and cannot be delivered goes to the queue of the subscription's RedrivePolicy. [Developer Guide,
  "Amazon SNS dead-letter queues"]
- Too many calls: `ThrottlingException`, 400, "Rate exceeded"; of the calls about opted-out numbers `Throttled`, 429.
  [re:Post, "ThrottlingException errors in Amazon SNS"; API Reference, ListPhoneNumbersOptedOut]

docs/unverified.md names what of this was never held against AWS. Signatures are not checked.
"""
