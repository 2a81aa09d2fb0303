"""Budgets, alerts, and what is left behind."""

from .fact import Fact

ROWS = [
    Fact(
        key="budget-tag-activation",
        fact="A budget by tag counts only from the day on which the payer account activated the tag",
        sure="guess",
        source="from general knowledge; no page was read",
        read="2026-11",
        tested="unit/components/test_finetuning_environment.py::test_the_budget_counts_the_stack_and_alerts_who_is_named",
    ),
    Fact(
        key="topic-needs-policy",
        fact="A topic needs a policy for budgets.amazonaws.com before a budget notifies it, and is in its account",
        sure="documented",
        source='Cost Management user guide, "Creating an Amazon SNS topic for budget notifications"; that '
        "events.amazonaws.com needs one too is a guess",
        read="2026-11-30",
        probe="a budget's first alert",
    ),
    Fact(
        key="sagemaker-logs-stay",
        fact="The log groups of SageMaker's jobs and endpoints are made by it, without an end, and stay after destroy",
        sure="guess",
        source="from general knowledge; no page was read",
        read="2026-11",
    ),
    Fact(
        key="detailed-monitoring-seven-metrics",
        fact="Detailed monitoring of an instance bills as seven metrics of one's own",
        sure="seen by others",
        source="Infracost, internal/resources/aws/instance.go (defaultEC2InstanceMetricCount)",
        read="2026-11-30",
        tested="unit/cost/test_pricers.py::test_idle_floor",
    ),
    Fact(
        key="search-extended-support",
        fact="A domain whose engine has left standard support bills a surcharge by the normalized instance hour",
        sure="seen by others",
        source="endoflife.date, amazon-opensearch at 2eaab05, after the service's guide (what-is.html); "
        "awslabs/aws-service-eol-data of 2026-09-13",
        read="2026-11-30",
        tested="unit/cost/test_pricers.py::test_not_priced_with_the_reason",
    ),
]
