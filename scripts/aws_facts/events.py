"""Documents on their way: S3, EventBridge, SQS, DynamoDB."""

from .fact import Fact

ROWS = [
    Fact(
        key="sqs-moves-poison",
        fact="The age of the oldest message doesn't grow with one that was received three times: SQS moves it behind",
        sure="documented",
        source='SQS developer guide, "Available CloudWatch metrics"',
        read="2026-11",
    ),
    Fact(
        key="sqs-redrive-of-our-own",
        fact="StartMessageMoveTask: CouldNotDetermineMessageSource for messages that were sent to the dead-letter "
        "queue directly, unless a destination is given",
        sure="documented",
        source='SQS developer guide, "Troubleshooting dead-letter queue redrive"',
        read="2026-11",
    ),
    Fact(
        key="events-source-account",
        fact="EventBridge sends to a queue whose policy names the rule's account and not the rule",
        sure="guess",
        source="samples name the rule (aws:SourceArn); the confused-deputy page names both keys",
        read="2026-11",
        tested="unit/components/test_rag_environment.py::test_events_go_through_a_queue_with_dead_letters",
    ),
    Fact(
        key="sqs-visibility-six-times",
        fact="A queue that Lambda reads should hide a message for six times the function's timeout",
        sure="documented",
        source="Lambda developer guide, SQS event sources",
        read="2026-11",
        tested="unit/components/test_rag_environment.py::test_queue_hides_a_message_for_six_times_the_functions_timeout",
    ),
    Fact(
        key="lambda-recursion",
        fact="Lambda cuts a chain of calls through the same queue off after 16, unless the function allows it",
        sure="documented",
        source="Lambda developer guide, 'Recursive loop detection'; docs/adr/0017",
        read="2026-11",
        tested="unit/components/test_rag_environment.py",
        probe="ingestion of a document of 5,000 chunks",
    ),
    Fact(
        key="s3-404-needs-list",
        fact="GetObject of an absent key is 404 only for who may list the bucket, else 403",
        sure="documented",
        source="S3 API reference, GetObject, permissions",
        read="2026-11",
        tested="unit/test_grants.py::test_what_is_granted_is_asked_or_has_a_row",
        probe="`tandem forget`",
    ),
    Fact(
        key="s3-empty-page",
        fact="A listing without objects lacks `Contents`",
        sure="guess",
        source="botocore's model, in which `Contents` may be absent; no page was read",
        read="2026-11",
        tested="unit/finetuning/test_dataset.py",
    ),
    Fact(
        key="s3-shorter-rule",
        fact="Where two lifecycle rules hold for an object, the shorter time does",
        sure="documented",
        source='S3 user guide, "Conflicts in lifecycle configurations"',
        read="2026-11",
        tested="unit/components/test_finetuning_environment.py::test_superseded_checkpoints_are_paid_for_a_day_and_data_kept_for_thirty",
    ),
    Fact(
        key="dynamodb-sort-key",
        fact="A sort key has at most 1,024 bytes, an item 400 KB, a transaction 100 parts",
        sure="documented",
        source='DynamoDB developer guide, "Constraints in Amazon DynamoDB"; API reference, TransactWriteItems',
        read="2026-11-30",
        tested="unit/rag/test_longest_keys.py::test_comes_is_found_changes_and_goes",
    ),
    Fact(
        key="dynamodb-transaction-actions",
        fact="TransactWriteItems is allowed by the actions of its parts, a check by dynamodb:ConditionCheckItem",
        sure="documented",
        source='DynamoDB developer guide, "IAM with transactions"',
        read="2026-11",
        tested="unit/test_grants.py::test_what_is_asked_is_granted",
    ),
]
