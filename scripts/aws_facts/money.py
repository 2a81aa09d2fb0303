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
    Fact(
        key="rds-extended-support",
        fact="PostgreSQL of a major version out of standard support bills a surcharge in RDS and Aurora, unless "
        "engineLifecycleSupport turns it off; 11 and 12 are out, and 13 since the beginning of 2026",
        sure="documented",
        source='RDS user guide, "Amazon RDS Extended Support charges", of 11 and 12; the day of 13 is a guess: '
        "endoflife.date has others in old versions of its pages, none later than 2026-01-31",
        read="2026-12-01",
        tested="unit/cost/test_platform_pricers.py::test_what_is_not_known_is_named_and_the_rest_counted",
    ),
    Fact(
        key="cache-extended-support",
        fact="Redis 4 and 5 bill a surcharge in ElastiCache since 2026-01-31, Redis 6 after 2027-01-31",
        sure="documented",
        source='ElastiCache user guide, "ElastiCache Extended Support" and its pricing',
        read="2026-12-01",
        tested="unit/cost/test_platform_pricers.py::test_what_is_not_known_is_named_and_the_rest_counted",
    ),
    Fact(
        key="waf-own-groups",
        fact="Rules in a group of one's own bill in each web ACL, beside the rule that names the group",
        sure="seen by others",
        source="notes on the price page of AWS WAF by others; the page itself wasn't read",
        read="2026-12-01",
        tested="unit/cost/test_platform_pricers.py::test_what_is_not_known_is_named_and_the_rest_counted",
    ),
    Fact(
        key="scaled-to-its-minimum",
        fact="A service of ECS whose desired count is below the minCapacity of its scalable target is raised to it",
        sure="documented",
        source='Application Auto Scaling user guide, "Application Auto Scaling concepts": as it is registered',
        read="2026-12-01",
        tested="unit/cost/test_references.py::test_a_service_that_is_scaled_runs_the_least_that_its_target_allows",
    ),
]
