"""The matrix of rights: complete, without wildcards, and no Secret of the cluster in it."""

from collections import Counter

import crds
from controllers import kube
from controllers.agentctl.chart import rights as matrix
from tests.support import foundry
from webhooks.cluster import configuration
from webhooks.deployment import rights

RIGHTS = [*matrix.matrix()]


def test_every_component_and_condition_is_described() -> None:
    assert [*matrix.COMPONENTS] == [*dict.fromkeys(right.who for right in RIGHTS)]
    assert matrix.CONDITIONS.keys() == {name for right in RIGHTS for name in right.conditions}


def test_no_right_is_declared_twice() -> None:
    granted = Counter(
        (right.who, verb, right.resource, right.subresource, right.names, right.scope, condition)
        for right in RIGHTS
        for verb in right.verbs
        for condition in right.conditions or ("",)
    )

    assert [] == [key for key, count in granted.items() if count > 1]


def test_nothing_is_granted_by_a_wildcard_or_without_a_reason() -> None:
    assert [] == [right for right in RIGHTS if "*" in (*right.verbs, right.target)]
    assert [] == [right for right in RIGHTS if not right.why]


def test_secrets_are_read_by_name_where_the_release_is_or_the_operator_says() -> None:
    secrets = [right for right in RIGHTS if right.resource == kube.SECRETS]

    assert {"release", "secrets"} == {right.scope for right in secrets}
    assert [("create",)] == [right.verbs for right in secrets if not right.names]


def test_cluster_scoped_objects_are_named_except_where_rbac_cannot() -> None:
    unnamed = [
        (right.who, right.target, *right.verbs)
        for right in RIGHTS
        if right.scope == "cluster" and not right.names and right.resource.group != crds.api.group
    ]

    assert {
        (rights.INSTALL, "customresourcedefinitions", "create"),
        (rights.UNINSTALL, "validatingadmissionpolicies", "list"),
        (rights.UNINSTALL, "validatingadmissionpolicybindings", "list"),
    } == {*unnamed}


def test_rights_for_another_api_name_its_own_objects() -> None:
    granted = [*rights.of_webhook(foundry.api), *rights.of_uninstall(foundry.api)]
    names = {name for right in granted for name in right.names} - {rights.CERTIFICATE_SECRET}

    assert {foundry.api.group, *(foundry.api.crd_name(kind) for kind in foundry.api)} == names
    has_policies = any(True for _ in configuration.policies(foundry.api))
    deletes = any(
        right.resource == kube.VALIDATING_ADMISSION_POLICIES and "delete" in right.verbs
        for right in granted
    )
    assert has_policies == deletes


def test_rules_that_differ_only_in_the_resource_are_one() -> None:
    roles = rights.roles(matrix.matrix())

    rules = [rule for role in roles for rule in role.rules]

    assert len(rules) < len(RIGHTS)
    granted = {
        (role.who, role.scope, target, verb)
        for role in roles
        for rule in role.rules
        for target in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {
        (right.who, right.scope, right.target, verb) for right in RIGHTS for verb in right.verbs
    }
