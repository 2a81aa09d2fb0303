"""Lambda."""

from .fact import Fact

ROWS = [
    Fact(
        key="lambda-vpc-actions",
        fact="A function in a VPC needs its EC2 actions on every resource",
        sure="documented",
        source='Lambda developer guide, "Giving Lambda functions access to resources in a VPC"',
        read="2026-11",
        tested="unit/kubernetes/test_cluster_training.py",
    ),
    Fact(
        key="lambda-five-pollers",
        fact="Lambda keeps five long polls at an empty queue, which bill as requests",
        sure="documented",
        source='Lambda developer guide, "Using Lambda with Amazon SQS"',
        read="2026-11",
        tested="unit/cost/test_arithmetic.py",
        probe="the bill of an idle day",
    ),
]
