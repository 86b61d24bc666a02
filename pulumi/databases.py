"""PostgreSQL and Elasticsearch where the application does not bring its own, and the way to them."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import credentials
import objects
import pulumi_linode as linode
import versions
from cluster import POOL_LABEL, Cluster
from config import Database, Search, Stack
from network import SUBNET, Network
from objects import CONFINED, Object

import pulumi

#: The relay's name and port inside the cluster.
RELAY, RELAY_PORT = "sspp-database", 5432
#: What Linode makes with every PostgreSQL.
DATABASE = "defaultdb"
#: Those that speak to PostgreSQL.
CLIENTS = ("process", "index", "notify", "api", "migrate", "backup")
#: HAProxy's own user in its image.
HAPROXY_USER = 99
SEARCH_NAME, SEARCH_USER = "sspp", "sspp"


def database_url(user: str, password: str, authority: str) -> str:
    """The application's URL: through the relay, to a server whose certificate its own authority signed.

    Args:
        authority: the PEM of the certificate authority, in base64 as Linode gives it.

    The name in the certificate is not the relay's, so it is the authority that is checked: it is this database's own.
    """
    pem = base64.urlsafe_b64encode(base64.b64decode(authority)).decode("ascii")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{login}@{RELAY}:{RELAY_PORT}/{DATABASE}?sslmode=verify-ca&sslrootcert=data:{pem}"


def haproxy_config(host: str, port: int) -> str:
    """Bytes in, bytes out; the name is looked up again and again, since a failover moves it."""
    return f"""global
  log stdout format raw local0 notice
  maxconn 1000
resolvers cluster
  parse-resolv-conf
  accepted_payload_size 8192
  hold valid 10s
defaults
  mode tcp
  log global
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen postgres
  bind :{RELAY_PORT}
  default-server check inter 10s resolvers cluster init-addr last,libc,none on-marked-down shutdown-sessions
  server primary {host}:{port}
"""


def relay(stack: Stack, config: pulumi.Input[str], port: pulumi.Input[int]) -> list[Object]:
    """HAProxy on the nodes whose addresses stay, which are the only ones the database lets in.

    The nodes of the autoscaled pool come and go with public addresses nobody knows beforehand.
    """
    metadata = {"name": RELAY, "namespace": stack.label, "labels": objects.labels("database")}
    selector = {"matchLabels": objects.labels("database")}
    container = {
        "name": "haproxy",
        "image": versions.HAPROXY_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "postgres", "containerPort": RELAY_PORT}],
        "readinessProbe": {"tcpSocket": {"port": "postgres"}, "periodSeconds": 5},
        "resources": {"requests": {"cpu": "25m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": CONFINED,
        "volumeMounts": [{"name": "config", "mountPath": "/usr/local/etc/haproxy", "readOnly": True}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {POOL_LABEL: "system"},
        "securityContext": {"runAsUser": HAPROXY_USER, "runAsGroup": HAPROXY_USER, "runAsNonRoot": True},
        "terminationGracePeriodSeconds": 60,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": selector,
            }
        ],
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": RELAY}}],
    }
    template = {"metadata": {"labels": objects.labels("database")}, "spec": pod}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"haproxy.cfg": config}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": stack.replicas, "selector": selector, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "selector": objects.labels("database"),
                "ports": [{"name": "postgres", "port": RELAY_PORT, "targetPort": "postgres"}],
            },
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata,
            "spec": {"maxUnavailable": 1, "selector": selector},
        },
        *_relay_openings(stack, port),
    ]


def _relay_openings(stack: Stack, port: pulumi.Input[int]) -> list[Object]:
    """The namespace is closed: the parts may reach the relay, the relay its database and names."""
    clients = {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": list(CLIENTS)}]}
    itself = objects.pods("database")
    door = [{"protocol": "TCP", "port": RELAY_PORT}]
    outside = {
        "to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}],
        "ports": [{"protocol": "TCP", "port": port}],
    }
    names = {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ]
    }
    return [
        objects.policy(stack.label, RELAY, itself, {"ingress": [{"from": [{"podSelector": clients}], "ports": door}]}),
        objects.policy(stack.label, f"from-{RELAY}", itself, {"egress": [outside, names]}),
        objects.policy(
            stack.label, f"to-{RELAY}", clients, {"egress": [{"to": [{"podSelector": itself}], "ports": door}]}
        ),
    ]


def elasticsearch(stack: Stack, search: Search) -> Object:
    """The Elasticsearch ECK runs: a copy that can be rebuilt at any time."""
    memory = f"{search.memory}Gi"
    return {
        "apiVersion": "elasticsearch.k8s.elastic.co/v1",
        "kind": "Elasticsearch",
        "metadata": {
            "name": SEARCH_NAME,
            "namespace": stack.label,
            "annotations": {"pulumi.com/waitFor": "jsonpath={.status.phase}=Ready"},
        },
        "spec": {
            "version": versions.ELASTICSEARCH,
            "auth": {
                "fileRealm": [{"secretName": "sspp-search-user"}],
                "roles": [{"secretName": "sspp-search-role"}],
            },
            # Inside the namespace, whose NetworkPolicies let nobody else near.
            "http": {"tls": {"selfSignedCertificate": {"disabled": True}}},
            "nodeSets": [
                {
                    "name": "data",
                    "count": search.nodes,
                    "config": {"node.store.allow_mmap": False},
                    "podTemplate": {
                        "metadata": {"labels": objects.labels("elasticsearch")},
                        "spec": {
                            "automountServiceAccountToken": False,
                            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                            "containers": [
                                {
                                    "name": "elasticsearch",
                                    "resources": {
                                        "requests": {"cpu": "250m", "memory": memory},
                                        "limits": {"memory": memory},
                                    },
                                }
                            ],
                        },
                    },
                    "volumeClaimTemplates": [
                        {
                            "metadata": {"name": "elasticsearch-data"},
                            "spec": {
                                "accessModes": ["ReadWriteOnce"],
                                "resources": {"requests": {"storage": f"{search.storage}Gi"}},
                            },
                        }
                    ],
                }
            ],
        },
    }


def search_secrets(stack: Stack) -> list[Object]:
    """The application's user of Elasticsearch: what it may do, its password, and the URL with both."""
    password = credentials.derived(stack.seed.get_secret_value(), "elasticsearch")
    role = {
        SEARCH_USER: {
            "cluster": ["monitor", "manage_index_templates"],
            "indices": [{"names": ["sspp*"], "privileges": ["all"]}],
        }
    }
    user = {"username": SEARCH_USER, "password": password, "roles": SEARCH_USER}
    address = f"http://{SEARCH_USER}:{password}@{SEARCH_NAME}-es-http:9200"
    return [
        objects.secret("sspp-search-role", stack.label, {"roles.yml": json.dumps(role)}),  # JSON is YAML
        objects.secret("sspp-search-user", stack.label, user, "kubernetes.io/basic-auth"),
        objects.secret("sspp-elasticsearch", stack.label, {"ELASTICSEARCH_URL": address}),
    ]


class Managed(pulumi.ComponentResource):
    """A managed PostgreSQL; it takes half an hour to make, while the cluster is made as well."""

    def __init__(self, stack: Stack, told: Database, network: Network, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:infra:Postgres", "postgres", None, opts)
        private = stack.tier == "enterprise"
        self.server = linode.DatabasePostgresqlV2(
            "postgres",
            label=stack.label,
            region=stack.region,
            engine_id=f"postgresql/{told.version}",
            type=told.type,
            cluster_size=told.nodes,
            private_network=linode.DatabasePostgresqlV2PrivateNetworkArgs(
                vpc_id=network.vpc_id, subnet_id=network.subnet_id, public_access=False
            )
            if private
            else None,
            allow_lists=[SUBNET] if private else None,
            updates=linode.DatabasePostgresqlV2UpdatesArgs(
                day_of_week=7, duration=4, frequency="weekly", hour_of_day=3
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=stack.protect,
                # Where there are public addresses, DatabaseAccessControls keeps the list.
                ignore_changes=None if private else ["allow_lists"],
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
        secret: dict[str, pulumi.Input[str]] = {**credentials.database_in_cluster(stack.seed.get_secret_value())}
        if managed:
            secret = {"DATABASE_URL": self._relay(stack, managed.server)}
            if stack.tier == "standard":
                self.installed.append(managed.admit(cluster.addresses()))
        self._create(objects.secret("sspp-database", stack.label, secret))
        if stack.search:
            self._search(stack, stack.search)
        self.register_outputs({})

    def _relay(self, stack: Stack, server: linode.DatabasePostgresqlV2) -> pulumi.Output[str]:
        target = pulumi.Output.all(server.host_primary, server.port)
        config = target.apply(lambda to: haproxy_config(to[0], int(to[1])))
        for written in relay(stack, config, server.port):
            self._create(written)
        return pulumi.Output.all(server.root_username, server.root_password, server.ca_cert).apply(
            lambda given: database_url(*given)
        )

    def _search(self, stack: Stack, search: Search) -> None:
        child = pulumi.ResourceOptions(parent=self)
        own = objects.create("elastic-system", objects.namespace("elastic-system"), child)
        values: Object = {"managedNamespaces": [stack.label], "telemetry": {"disabled": True}}
        operator = objects.install(
            "eck",
            versions.ECK,
            "elastic-system",
            values,
            # It is given rights in the application's namespace, so that has to be there.
            pulumi.ResourceOptions.merge(self._at_home, pulumi.ResourceOptions(depends_on=[own])),
        )
        secrets = [self._create(written) for written in search_secrets(stack)]
        self._create(elasticsearch(stack, search), operator, *secrets)

    def _create(self, written: Object, *before: pulumi.Resource) -> pulumi.Resource:
        after = pulumi.ResourceOptions(depends_on=list(before))
        name = f"{written['kind'].lower()}-{written['metadata']['name']}"
        made = objects.create(name, written, pulumi.ResourceOptions.merge(self._at_home, after))
        self.installed.append(made)
        return made
