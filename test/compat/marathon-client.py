"""What people do with marathon-python, against a real Ekiden: python marathon-client.py http://host:port

Run by marathon-python.e2e-spec.ts in an environment that has the unmodified package. Prints one line a step; the first one that
is not as the library's users expect ends it with a traceback.
"""
import collections
import collections.abc
import json
import sys
import threading
import time

# The library is older than Python 3.10, which took this name away.
collections.Iterable = collections.abc.Iterable

from marathon import MarathonClient, MarathonApp, MarathonHttpError, NotFoundError
from marathon.exceptions import ConflictError
from marathon.models import MarathonHealthCheck
from marathon.models.constraint import MarathonConstraint

BOUND_S = 60
client = MarathonClient(sys.argv[1])
# The library's __eq__ etc. are not relied on: what is compared are plain values.


def step(name):
    print(name, flush=True)


def eventually(what, condition):
    end = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < end, "not in %s s: %s" % (BOUND_S, what)
        time.sleep(0.05)


def no_deployments():
    eventually("no deployment runs", lambda: client.list_deployments() == [])


seen = []


def listen():
    for event in client.event_stream(raw=True):
        seen.append(json.loads(event))


threading.Thread(target=listen, daemon=True).start()
# The library reads 512 bytes at a time, so that the first event is seen only with those that follow.
eventually("the stream is attached", lambda: client.get_metrics()["gauges"]["marathon.http.event-streams.active.gauge"]["value"] == 1)
step("event stream")

assert b"pong" in client.ping()
assert client.list_apps() == []
info = client.get_info()
assert info.name == "marathon" and info.framework_id and info.elected is True
assert client.get_leader()["leader"]
assert client.list_queue() == []
step("info")

created = client.create_app(
    "/compat/web",
    MarathonApp(
        cmd="exec sleep 1000",
        instances=1,
        cpus=0.05,
        mem=16,
        labels={"tier": "web"},
        env={"A": "1"},
        constraints=[MarathonConstraint("hostname", "LIKE", ".*")],
        health_checks=[MarathonHealthCheck(protocol="COMMAND", command="true", interval_seconds=1, grace_period_seconds=1, delay_seconds=0)],
        backoff_seconds=1,
        tasks=[],
    ),
)
assert created.id == "/compat/web" and created.instances == 1 and created.deployments, created
no_deployments()
app = client.get_app("/compat/web", embed_tasks=True, embed_counts=True)
assert app.tasks_running == 1 and len(app.tasks) == 1 and app.labels == {"tier": "web"} and app.env == {"A": "1"}, app
eventually("it is healthy", lambda: client.get_app("/compat/web").tasks_healthy == 1)
assert [one.id for one in client.list_apps(label="tier==web", embed_counts=True, embed_tasks=True)] == ["/compat/web"]
step("create")

try:
    client.create_app("/compat/web", MarathonApp(cmd="true"))
    raise AssertionError("a second app of the same id was created")
except ConflictError:
    pass
try:
    client.create_app("/compat/bad", MarathonApp(cmd="true", mem=-1))
    raise AssertionError("an app with less than no memory was created")
except MarathonHttpError as error:
    assert error.status_code == 422 and error.error_details, error
try:
    client.get_app("/compat/none")
    raise AssertionError("an unknown app was found")
except NotFoundError as error:
    assert "does not exist" in error.error_message
step("refusals")

assert client.scale_app("/compat/web", instances=3)["deploymentId"]
no_deployments()
assert client.get_app("/compat/web").instances == 3
client.scale_app("/compat/web", delta=-1)
no_deployments()
tasks = client.list_tasks("/compat/web")
assert len(tasks) == 2 and all(task.app_id == "/compat/web" and task.state == "TASK_RUNNING" for task in tasks), tasks
assert all(task.host and task.ports and task.slave_id and task.started_at and task.staged_at for task in tasks)
assert all(task.health_check_results[0].alive for task in client.list_tasks("/compat/web") if task.health_check_results)
assert len(client.list_tasks()) == 2
assert len(client.list_endpoints()) >= 2
step("scale")

killed = client.kill_task("/compat/web", tasks[0].id)
assert killed.id == tasks[0].id
eventually("the killed task is replaced", lambda: len(client.list_tasks("/compat/web")) == 2 and tasks[0].id not in [t.id for t in client.list_tasks("/compat/web")])
client.kill_given_tasks([tasks[1].id])
eventually("so is the other", lambda: len(client.list_tasks("/compat/web")) == 2 and tasks[1].id not in [t.id for t in client.list_tasks("/compat/web")])
eventually("both run", lambda: client.get_app("/compat/web").tasks_running == 2)
step("kill")

before = {task.id for task in client.list_tasks("/compat/web")}
assert client.restart_app("/compat/web")["deploymentId"]
no_deployments()
assert not before & {task.id for task in client.list_tasks("/compat/web")}
step("restart")

app = client.get_app("/compat/web")
app.env = {"A": "2"}
client.update_app("/compat/web", app)
no_deployments()
versions = client.list_versions("/compat/web")
assert len(versions) >= 4
first = client.get_version("/compat/web", versions[-1])
assert first.env == {"A": "1"} and client.get_app("/compat/web").env == {"A": "2"}
client.rollback_app("/compat/web", versions[1])
no_deployments()
assert client.get_app("/compat/web").env == {"A": "1"}
step("update, versions, rollback")

client.update_apps([MarathonApp(id="/compat/b", cmd="exec sleep 1000", cpus=0.05, mem=16), MarathonApp(id="/compat/c", cmd="exec sleep 1000", cpus=0.05, mem=16)])
no_deployments()
# The library cannot build groups and queue items of any Marathon since 1.9 (unknown keys), so these are taken as they come.
read = lambda path: client._do_request("GET", path).json()
assert sorted(app["id"] for app in read("/v2/groups//compat")["apps"]) == ["/compat/b", "/compat/c", "/compat/web"]
assert [group["id"] for group in read("/v2/groups")["groups"]] == ["/compat"]
client.create_app("/compat/wide", MarathonApp(cmd="true", cpus=10000, mem=16))
eventually("it waits in the queue", lambda: [item["app"]["id"] for item in read("/v2/queue")["queue"]] == ["/compat/wide"])
deployment = client.list_deployments()[0]
assert deployment.affected_apps == ["/compat/wide"] and deployment.total_steps >= 1 and deployment.current_actions, deployment
client.delete_deployment(deployment.id, force=True)
step("groups, queue, deployments")

for one in client.list_apps():
    assert client.delete_app(one.id)["deploymentId"]
eventually("all apps are gone", lambda: client.list_apps() == [])
eventually("all tasks are gone", lambda: client.list_tasks() == [])
step("delete")

types = {event["eventType"] for event in seen}
expected = {
    "api_post_event",
    "app_terminated_event",
    "deployment_info",
    "deployment_step_success",
    "deployment_success",
    "instance_changed_event",
    "instance_health_changed_event",
    "status_update_event",
}
eventually("all kinds of events", lambda: expected <= {event["eventType"] for event in seen})
# The library makes objects of the events that it knows, where it needs no full deployment plan.
from marathon.models.events import EventFactory

for event in seen:
    if event["eventType"] in EventFactory.event_to_class and "plan" not in event:
        assert EventFactory().process(dict(event)).event_type == event["eventType"]
step("events: " + json.dumps(sorted(types)))
