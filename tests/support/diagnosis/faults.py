"""All planted faults."""

from tests.support.diagnosis import cluster_faults, platform_faults

FAULTS = (
    *cluster_faults.OF_API_SERVER,
    *cluster_faults.OF_DEFINITIONS,
    *cluster_faults.OF_WEBHOOKS,
    *platform_faults.OF_PLATFORM,
    *platform_faults.OF_RUNS,
    *platform_faults.OF_OBJECTS,
    *platform_faults.OF_SURROUNDINGS,
)
