"""What the launcher does: launch, tune, watch, collect, stop, relaunch, logs."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from jsonargparse import Namespace

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.calls import TryAgainError
from nst_lightning.cloud.command_line import parse
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.estimate import estimate
from nst_lightning.cloud.films import join
from nst_lightning.cloud.fleet import NO_CAPACITY, Fleet
from nst_lightning.cloud.logs import print_log
from nst_lightning.cloud.manifest import AGAIN, FILE, Manifest, fetch, load
from nst_lightning.cloud.names import check_launch_name
from nst_lightning.cloud.page import make_page
from nst_lightning.cloud.plan import Plan, make_plan
from nst_lightning.cloud.rehearsal.rehearse import rehearsed, stand_in
from nst_lightning.cloud.request_checks import check_request, need_packages
from nst_lightning.cloud.training_request import training_request
from nst_lightning.cloud.tuning.search import Search, plan_search
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.cloud.watching import again, follow, leaving, what_runs_on
from nst_lightning.errors import INTERRUPTED, InputError
from nst_lightning.files import check_folder
from nst_lightning.say import say


def main(args: Sequence[str] | None = None) -> int:
    """Run the launcher's command line.

    Args:
        args: Arguments; those of the process if None.

    Returns:
        0 if all that was asked for is done, 1 if not, 2 for a mistake in what was given, 130 after
        Ctrl-C.
    """
    try:
        return run(parse(sys.argv[1:] if args is None else args))
    except (InputError, TryAgainError, KeyboardInterrupt) as error:
        code = 2 if isinstance(error, InputError) else 1
        if isinstance(error, KeyboardInterrupt):
            code = INTERRUPTED
        else:
            hint = "" if code == 2 else "; try again later, nothing is lost"
            say(f"error: {error}{hint}", error=True)
        for note in getattr(error, "__notes__", ()):
            say(note, error=True)
        return code


def run(request: Namespace) -> int:
    """Do what was asked for; see :func:`main`."""
    command, wanted, tuning = request.command, request.launch, request.get("tuning")
    local = request.get("local", False)
    need_packages(not local, request.get("rehearse", False), local)
    if local:
        from nst_lightning.cloud.tuning.local import search

        return search(wanted, tuning)
    if command in ("launch", "tune"):
        if request.dry_run:
            return dry_run(wanted, tuning)
        if request.rehearse:
            return rehearse(wanted, tuning)
        return launch(wanted, tuning, wait=not request.no_wait)
    manifest, aws = find(wanted)
    if command == "logs":
        return print_log(aws, manifest.name_of(manifest.job_of(request.key)), request.follow)
    if command == "relaunch":
        relaunch(manifest, aws, request)
    with leaving(manifest):
        if command == "stop":
            return stop(manifest, aws)
        wait = command != "collect"
        return finish(_fleet(manifest, aws, starting=wait), wait)


def relaunch(manifest: Manifest, aws: Aws, request: Namespace) -> None:
    """Make pictures that were not made pending again, to be run as the request says.

    Raises:
        InputError: If something in the request is wrong.
    """
    if manifest.search:
        raise InputError("relaunch: this is a search, whose trials SageMaker starts; tune anew")
    job = replace(manifest.launch.job, **request.changes)
    job = job if job.spot else replace(job, max_wait=None)
    manifest.launch = replace(manifest.launch, job=job)
    check_request(manifest.launch, aws)
    states = (*AGAIN, "Stopped", "Not started") if request.stopped else AGAIN
    keys = manifest.relaunch(states, request.only)
    manifest.save(aws)  # before anything is started: a kill loses nothing of it
    print(f"{len(keys)} pictures again" + (f": {', '.join(keys[:5])}" if keys else ""))


def _fleet(manifest: Manifest, aws: Aws, starting: bool = True) -> Fleet:
    return Search(manifest, aws) if manifest.search else Fleet(manifest, aws, starting)


def dry_run(wanted: Launch, tuning: Tuning | None = None) -> int:
    """Print every request and the estimate; nothing is called."""
    aws = Aws(wanted, dry=True)
    check_request(wanted, aws)
    plan, search = (make_plan(wanted), None) if tuning is None else plan_search(wanted, tuning)
    manifest = Manifest(aws.launch, search=search)
    if not search:
        manifest.adopt(aws.launch, plan)
    for request in requests(manifest, aws):
        print(json.dumps(request, indent=1, ensure_ascii=False))
    print("\n".join(estimate(manifest, plan)), file=sys.stderr)
    return 0


def requests(manifest: Manifest, aws: Aws) -> Iterator[dict[str, Any]]:
    """Yield the requests of the jobs that are to be started, or of a search, as AWS takes them.

    Raises:
        InputError: If AWS would refuse one.
    """
    if manifest.search:
        request = manifest.search.request(aws.launch, aws.region)
        yield aws.validated("CreateHyperParameterTuningJob", request)
    for job in manifest.jobs.values():
        if job.state != "Pending":
            continue
        given, how = manifest.request_of(job)
        launch = replace(aws.launch, job=how)
        request = training_request(launch, given, manifest.name_of(job), aws.region)
        yield aws.validated("CreateTrainingJob", request)


def launch(
    wanted: Launch, tuning: Tuning | None = None, wait: bool = True, rehearsal: bool = False
) -> int:
    """Start a launch or a search, or go on with it, until every job has ended.

    Args:
        wanted: As asked for.
        tuning: What is searched, if it is a search.
        wait: Stay until the end.
        rehearsal: It runs on this machine.

    Raises:
        InputError: If something is wrong; then nothing was started.
    """
    aws = Aws(wanted)
    check_request(wanted, aws)
    check_folder(wanted.folder)
    plan, search = (
        (make_plan(wanted, aws), None) if tuning is None else plan_search(wanted, tuning, aws)
    )
    manifest = known(Manifest(aws.launch, rehearsal=rehearsal, search=search), plan, aws)
    for _ in requests(manifest, aws):
        continue  # nothing is sent before all are found to be right
    with leaving(manifest):
        sent = sum(map(aws.send, plan.uploads.values()))
        count = sum(len(upload.files) for upload in plan.uploads.values())
        print(f"{sent} files uploaded, {count - sent} were there", flush=True)
        print("\n".join(estimate(manifest, plan)), flush=True)
        fleet = _fleet(manifest, aws)
        fleet.save(everywhere=True)
        if search:
            fresh = aws.start_tuning(search.name, search.request(aws.launch, aws.region))
            print(f"{'started' if fresh else 'going on with'} {search.name}", flush=True)
        return finish(fleet, wait)


def rehearse(
    wanted: Launch,
    tuning: Tuning | None = None,
    take_away: Callable[..., bool] | None = None,
) -> int:
    """Run every job of a launch on this machine, and all that a launch does with the pictures.

    Args:
        wanted: As asked for; role, bucket and region may be missing.
        tuning: What is searched, if it is a search.
        take_away: Decides about spot instances.

    Returns:
        As the launch would.

    Raises:
        InputError: If something is wrong.
    """
    here = rehearsed(wanted)
    check_folder(here.folder)
    earlier = load(here.folder)
    if earlier is not None and not earlier.rehearsal:
        raise InputError(f"out: {here.folder} holds a launch that was no rehearsal; use another")
    if earlier is not None:
        (here.folder / FILE).unlink()
    print(f"rehearsal: nothing leaves this machine; logs will be in {here.folder / 'logs'}")
    with stand_in(here, take_away):
        return launch(here, tuning, rehearsal=True)


def known(fresh: Manifest, plan: Plan, aws: Aws) -> Manifest:
    """Return the manifest of a launch: of this folder, of S3, or the fresh one.

    Raises:
        InputError: If something else is known by that name, or in that folder.
    """
    wanted = fresh.launch
    manifest = load(wanted.folder)
    if manifest is not None and manifest.launch.name != wanted.name:
        raise InputError(
            f"out: {wanted.folder} is the folder of the launch {manifest.launch.name}; "
            "choose another"
        )
    there = fetch(wanted, aws)
    if manifest is not None and there is not None:
        manifest.merge(there)
    manifest = manifest or there or fresh
    if manifest.search != fresh.search:
        raise InputError(f"name: {wanted.name} is another search, or none; choose another name")
    films, keys = wanted.film or manifest.launch.film, manifest.pictures.keys()
    if films and keys and keys != plan.paintings.keys():
        raise InputError(f"name: {wanted.name} is of other parts or pictures; choose another name")
    if not fresh.search:
        manifest.adopt(wanted, plan)
    manifest.launch = wanted
    return manifest


def find(wanted: Launch) -> tuple[Manifest, Aws]:
    """Return a launch that was begun here or elsewhere, by its name.

    Raises:
        InputError: If it is nowhere.
    """
    check_launch_name(wanted.name)
    manifest = load(wanted.folder)
    if manifest is not None:
        if manifest.rehearsal:
            raise InputError(
                f"{wanted.name} was a rehearsal, which is over when its command ends; its logs are "
                f"in {wanted.folder / 'logs'}"
            )
        with leaving(manifest):
            aws = Aws(manifest.launch)
            there = fetch(manifest.launch, aws)
        if there is not None:
            manifest.merge(there)
        return manifest, aws
    if not wanted.aws.bucket:
        raise InputError(
            f"there is no launch {wanted.name} in {wanted.folder}; name its folder (--out) or, on "
            "another machine, its bucket (--aws.bucket, and --aws.region)"
        )
    manifest = fetch(wanted, Aws(wanted))
    if manifest is None:
        where = wanted.aws.uri("launches", wanted.name)
        raise InputError(f"there is no launch {wanted.name} at {where}")
    profile = replace(manifest.launch.aws, profile=wanted.aws.profile)
    manifest.launch = replace(manifest.launch, out=str(wanted.folder), aws=profile)
    return manifest, Aws(manifest.launch)


def stop(manifest: Manifest, aws: Aws) -> int:
    """Stop every job, or a search; what has not begun will not."""
    if manifest.search:
        if aws.stop_tuning(manifest.search.name):
            print(f"the search and its trials are being stopped: {again('watch', manifest)}")
        else:
            print(f"nothing runs: the search is over; what it found: {again('watch', manifest)}")
        return 0
    for job in manifest.jobs.values():
        if job.state == "Pending":
            job.state = "Not started"
            job.mark(job.keys("Pending"), "Not started")
    manifest.save(aws)
    running = [job for job in manifest.jobs.values() if job.running]
    stopping = [job for job in running if aws.stop(manifest.name_of(job))]
    for job in stopping:
        job.state, job.step = "Stopping", len(manifest.launch.job.fallback)  # nothing else is tried
    manifest.save(aws)
    if stopping:
        what = f"{len(stopping)} jobs are being stopped; see how they end"
        print(f"{what}: {again('watch', manifest)}")
    else:
        ended = f"; bring back what is finished: {again('collect', manifest)}" if running else ""
        print(f"nothing runs, and nothing will start{ended}")
    return 0


def finish(fleet: Fleet, wait: bool = True) -> int:
    """Move a launch on, say how it is and what can be done; make the page once all is here.

    Args:
        fleet: The jobs.
        wait: Until it is over; otherwise one turn only.

    Returns:
        0 if every picture is here, or nothing failed and nobody waits; 1 if not.
    """
    follow(fleet, once=not wait)
    manifest, here = fleet.manifest, len(fleet.done())
    good = here > 0
    print(f"pictures are in {fleet.runs}")
    if isinstance(fleet, Search):
        print(f"report  {fleet.report()}")
    elif manifest.launch.film:
        good = join(fleet)
    elif good := here == len(manifest.pictures):
        make_page(fleet)
    states = {picture.state for picture in manifest.pictures.values()}
    failed, can_relaunch = bool(states & {*AGAIN}), not (manifest.rehearsal or manifest.search)
    if failed and can_relaunch:
        line = f"start the failed ones again: {again('relaunch', manifest)}"
        if any(NO_CAPACITY.search(picture.reason) for picture in manifest.pictures.values()):
            line += " --job.instance_type OTHER; or --job.spot false; job.fallback tries by itself"
        print(line)
    if states & {"Stopped", "Not started"} and can_relaunch:
        print(f"start the stopped ones, too: {again('relaunch', manifest, '--stopped')}")
    if not fleet.over or any(job.state == "Pending" for job in manifest.jobs.values()):
        print(what_runs_on(manifest))
    return int(not good and (failed or wait))
