"""PostgreSQL and Elasticsearch where the application does not bring its own, and what it finds them by."""

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
from config import Database, Search, Stack
from network import SUBNET, Network
from objects import Object

import pulumi

#: What Linode makes with every PostgreSQL.
DATABASE = "defaultdb"


def database_url(user: str, password: str, authority: str) -> str:
    """Return the application's URL: through the relay, to a server whose certificate its own authority signed.

    The name in the certificate is not the relay's, so the authority is checked: it is this database's own.

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
    """A managed PostgreSQL; it takes half an hour to make, while the cluster is made as well."""

    def __init__(self, stack: Stack, told: Database, network: Network, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:infra:Postgres", "postgres", None, opts)
        vpc = network.vpc
        self.server = linode.DatabasePostgresqlV2(
            "postgres",
            label=stack.label,
            region=stack.region,
            engine_id=f"postgresql/{told.version}",
            type=told.type,
            cluster_size=told.nodes,
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
                # Where there are public addresses, DatabaseAccessControls keeps the list.
                ignore_changes=None if vpc else ["allow_lists"],
                additional_secret_outputs=["root_password"],
                custom_timeouts=pulumi.CustomTimeouts(create="90m", update="90m"),
            ),
        )
        self.register_outputs({})

    def admit(self, addresses: pulumi.Input[list[str]]) -> pulumi.Resource:
        """Let these networks in, and nobody else."""
        return linode.DatabaseAccessControls(
            "postgres-access",
            database_id=self.server.id.apply(int),
            database_type="postgresql",
            allow_lists=addresses,
            opts=pulumi.ResourceOptions(parent=self),
        )


class Databases(pulumi.ComponentResource):
    """What the application finds its data by, in its namespace ``home``: ``installed`` is what it waits for."""

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

    def _search(self, stack: Stack, told: Search) -> None:
        child = pulumi.ResourceOptions(parent=self)
        own = objects.create("elastic-system", objects.namespace("elastic-system"), child)
        values: Object = {"managedNamespaces": [stack.label], "telemetry": {"disabled": True}}
        operator = objects.install(
            "eck",
            stack.source(versions.ECK),
            "elastic-system",
            values,
            # It is given rights in the application's namespace, so that has to be there.
            pulumi.ResourceOptions.merge(self._at_home, pulumi.ResourceOptions(depends_on=[own])),
        )
        secrets = [self._create(written) for written in search.secrets(stack)]
        self._create(search.elasticsearch(stack, told), operator, *secrets)

    def _create(self, written: Object, *before: pulumi.Resource) -> pulumi.Resource:
        after = pulumi.ResourceOptions(depends_on=list(before))
        name = f"{written['kind'].lower()}-{written['metadata']['name']}"
        made = objects.create(name, written, pulumi.ResourceOptions.merge(self._at_home, after))
        self.installed.append(made)
        return made
