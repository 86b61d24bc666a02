"""Managed PostgreSQL, Elasticsearch in the cluster, and the Secrets with their URLs."""

from __future__ import annotations

import base64
from operator import itemgetter
from urllib.parse import quote

import credentials
import egress
import objects
import pulumi_linode as linode
import relay
import search
import versions
from cluster import Cluster
from network import SUBNET, Network
from objects import Object
from stack import Database, Search, Stack

import pulumi

#: The database that every managed PostgreSQL begins with.
DATABASE = "defaultdb"


def database_url(user: str, password: str, authority: str) -> str:
    """Return the application's URL of PostgreSQL, through the relay.

    The certificate does not name the relay, so the URL pins the authority, which is this database's own.

    Args:
        authority: the PEM of the certificate authority. Linode's API sends it in base64, which the provider decodes
            (`CACertificate []byte` in linodego).

    Raises:
        pulumi.RunError: ``authority`` is not PEM.
    """
    if not authority.lstrip().startswith("-----BEGIN CERTIFICATE-----"):
        raise pulumi.RunError("Linode's provider returned a ca_cert of PostgreSQL that is not PEM")
    pem = base64.urlsafe_b64encode(authority.encode()).decode("ascii")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{login}@{relay.NAME}:{relay.PORT}/{DATABASE}?sslmode=verify-ca&sslrootcert=data:{pem}"


class Managed(pulumi.ComponentResource):
    """A managed PostgreSQL. It takes half an hour to create, at the same time as the cluster."""

    def __init__(self, stack: Stack, database: Database, network: Network, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:infra:Postgres", "postgres", None, opts)
        vpc = network.vpc
        self.server = linode.DatabasePostgresqlV2(
            "postgres",
            label=stack.label,
            region=stack.region,
            engine_id=f"postgresql/{database.version}",
            type=database.type,
            cluster_size=database.nodes,
            private_network=linode.DatabasePostgresqlV2PrivateNetworkArgs(
                vpc_id=vpc.id, subnet_id=vpc.subnet_id, public_access=False
            )
            if vpc
            else None,
            allow_lists=[SUBNET] if vpc else None,
            updates=linode.DatabasePostgresqlV2UpdatesArgs(
                day_of_week=7, duration=4, frequency="weekly", hour_of_day=3
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=stack.protect,
                # With public addresses, DatabaseAccessControls owns the list.
                ignore_changes=None if vpc else ["allow_lists"],
                additional_secret_outputs=["root_password"],
                custom_timeouts=pulumi.CustomTimeouts(create="90m", update="90m"),
            ),
        )
        self.register_outputs({})

    def admit(self, addresses: pulumi.Input[list[str]]) -> pulumi.Resource:
        """Admit these networks and no others."""
        return linode.DatabaseAccessControls(
            "postgres-access",
            database_id=self.server.id.apply(int),
            database_type="postgresql",
            allow_lists=addresses,
            opts=pulumi.ResourceOptions(parent=self),
        )


class Databases(pulumi.ComponentResource):
    """The data stores and their Secrets in the namespace ``home``; the application waits for ``installed``."""

    def __init__(
        self,
        stack: Stack,
        managed: Managed | None,
        cluster: Cluster,
        home: pulumi.Resource,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("sspp:platform:Databases", "databases", None, opts)
        self.installed: list[pulumi.Resource] = []
        self._at_home = pulumi.ResourceOptions(parent=self, depends_on=[home])
        seed = stack.seed.get_secret_value()
        secret: dict[str, pulumi.Input[str]] = {**credentials.database_in_cluster(seed)}
        if managed:
            secret = {"DATABASE_URL": self._relay(stack, managed.server)}
            if stack.tier == "standard":
                self.installed.append(managed.admit(cluster.addresses()))
        self._create(objects.secret("sspp-database", stack.label, secret))
        urls = pulumi.Output.from_input(secret["DATABASE_URL"]).apply(lambda url: credentials.logins(seed, url))
        keys = (*credentials.LOGINS, "logins")
        self._create(objects.secret("sspp-logins", stack.label, {key: urls.apply(itemgetter(key)) for key in keys}))
        if stack.search:
            self._search(stack, stack.search)
        self.register_outputs({})

    def _relay(self, stack: Stack, server: linode.DatabasePostgresqlV2) -> pulumi.Output[str]:
        target = pulumi.Output.all(server.host_primary, server.port)
        config = target.apply(lambda to: relay.haproxy_config(to[0], int(to[1])))
        for written in relay.written(stack, config, egress.database(stack), server.port):
            self._create(written)
        return pulumi.Output.all(server.root_username, server.root_password, server.ca_cert).apply(
            lambda given: database_url(*given)
        )

    def _search(self, stack: Stack, wanted: Search) -> None:
        child = pulumi.ResourceOptions(parent=self)
        own = objects.create("elastic-system", objects.namespace("elastic-system"), child)
        values: Object = {"managedNamespaces": [stack.label], "telemetry": {"disabled": True}}
        operator = objects.install(
            "eck",
            stack.source(versions.ECK),
            "elastic-system",
            values,
            # The chart creates a RoleBinding in the application's namespace.
            pulumi.ResourceOptions.merge(self._at_home, pulumi.ResourceOptions(depends_on=[own])),
        )
        secrets = [self._create(written) for written in search.secrets(stack)]
        self._create(search.elasticsearch(stack, wanted), operator, *secrets)

    def _create(self, written: Object, *before: pulumi.Resource) -> pulumi.Resource:
        after = pulumi.ResourceOptions(depends_on=list(before))
        name = f"{written['kind'].lower()}-{written['metadata']['name']}"
        made = objects.create(name, written, pulumi.ResourceOptions.merge(self._at_home, after))
        self.installed.append(made)
        return made
