"""An SNS with faults, for tests, storms and benchmarks; it implements the query protocol that boto3 uses.

moto confirms every subscription, fails no number, and its answers slow down as it keeps more. This one answers after a
set time, and behaves as the documentation of Amazon SNS describes (titles of its pages in brackets):

- A subscription by e-mail is pending until its recipient confirms it. Nothing is sent to a pending one, and `Publish`
  returns a message id all the same. After 48 hours it is removed. [API Reference, Subscribe; ConfirmSubscription;
  What's New, May 2023, "automatic deletion of unconfirmed subscriptions"]
- A pending one is listed as `PendingConfirmation` in place of its ARN, and one that another than its owner ended as
  `Deleted`; neither can be unsubscribed by that text. [API Reference, ListSubscriptionsByTopic; re:Post, "How do I
  recreate a Deleted Amazon SNS topic subscription"]
- More than ten e-mails a second deactivate their subscription: it is pending again. [Developer Guide, "Amazon SNS email
  subscription setup and management"]
- A number that has opted out stays subscribed. `Publish` to its topic, and to the number itself, is accepted: `Publish`
  has no error for it, and the refusal, "Phone number is opted out", is only in the delivery status logs. [Developer
  Guide, "Managing phone numbers and SMS subscriptions"; "Amazon SNS SMS delivery monitoring with Amazon CloudWatch
  metrics and logs"; API Reference, Publish]
- An accepted message that cannot be delivered goes to the queue of the subscription's RedrivePolicy. [Developer Guide,
  "Amazon SNS dead-letter queues"]
- Too many calls: `ThrottlingException`, 400, "Rate exceeded"; of the calls about opted-out numbers `Throttled`, 429.
  [re:Post, "ThrottlingException errors in Amazon SNS"; API Reference, ListPhoneNumbersOptedOut]

docs/unverified.md names the parts that were never compared with AWS. Signatures are not checked.
"""
