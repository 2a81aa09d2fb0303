"""The page about the local cloud is made from the table of differences."""

from localcloud import differences
from scripts.recorder import ROOT


def test_the_page_is_the_table():
    """Where this fails: `python -m localcloud.differences > docs/local-cloud.md`."""
    assert (ROOT / "docs" / "local-cloud.md").read_text() == differences.page()


def test_every_row_is_of_a_known_kind_and_fits_a_table():
    for row in differences.DIFFERENCES:
        assert row.here in differences.MEANINGS, row
        assert all(cell and "|" not in cell and "\n" not in cell for cell in row), row


def test_rows_name_what_the_stand_in_asks_for():
    collection = "aws:opensearch/serverlessCollection:ServerlessCollection"
    assert differences.recorded_types() == {
        "aws:appautoscaling/policy:Policy",
        "aws:appautoscaling/target:Target",
        "aws:cloudcontrol/resource:Resource",
        "aws:opensearch/domain:Domain",
        "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup",
        "aws:sagemaker/mlflowApp:MlflowApp",
        "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer",
    }
    assert differences.recorded_properties(collection) == {"collectionGroupName"}
    assert "description" in differences.emulated_properties(collection)
    assert differences.emulated_properties("aws:sqs/queue:Queue") == {"redrivePolicy"}
    assert differences.emulated_properties("aws:s3/bucket:Bucket") == set()
