/**
 * The command line: its commands and options.
 *
 * @module
 */

import { Command, CommanderError, Option } from "commander";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { COMMIT, VERSION } from "../version.ts";
import { check, type CheckOptions, type SettingsOptions } from "./check.ts";
import type { KeygenOptions } from "./keygen.ts";
import { run } from "./run.ts";
import type { ArchiveOptions } from "./archive.ts";
import type { DaysOptions } from "./days.ts";
import type { DrainOptions } from "./drain.ts";
import type { ForgetOptions } from "./forget.ts";
import type { PruneOptions } from "./prune.ts";
import type { ProtectOptions } from "./protect.ts";
import type { RestoreOptions } from "./restore.ts";
import type { SendOptions } from "./send.ts";
import type { InstallOptions } from "./service-install.ts";
import type { UninstallOptions } from "./service.ts";
import type { StatusOptions } from "./status.ts";
import type { TailOptions } from "./tail.ts";
import type { VerifyOptions } from "./verify.ts";

// Each command loads its own modules. A hub that runs for years does not need those of the others.

const HELP_END = `
Examples:
  imagehub                                  run with ~/imagehub.yaml, or the defaults
  imagehub --path /srv/cameras              run with the settings and data there
  imagehub status                           health of the local hub, and its nodes
  imagehub send photo.jpg --node Barn --to tcp://data1:5555
  imagehub send --event "Garage|Temp|76 F" --to tcp://data1:5555
  sudo imagehub service install             install it as a service that starts at boot

imagehub COMMAND --help lists the options of a command.`;

/**
 * Runs the program.
 *
 * @param args the arguments after the program's name
 * @returns the exit status
 */
export async function main(args: readonly string[]): Promise<ExitStatus> {
  let status: ExitStatus = EXIT.ok;
  const program = new Command("imagehub")
    .description("Receives and stores the images and event messages of many camera nodes.")
    .option("-V, --version", "print the versions of the hub, Bun and libzmq")
    .addHelpText("after", HELP_END)
    .exitOverride()
    .showHelpAfterError("(imagehub --help lists the commands and options)");

  // Checked for every command: `imagehub --version` must not start a hub.
  program.hook("preAction", async () => {
    if (program.opts()["version"] !== true) return;
    await printVersion();
    throw new CommanderError(EXIT.ok, "imagehub.version", "");
  });

  withSettings(program.command("run", { isDefault: true }))
    .description("run the hub until Ctrl-C or SIGTERM; the default command")
    // An unknown command arrives here as an argument of the default command.
    .allowExcessArguments()
    .action(async (options: SettingsOptions, command: Command) => {
      const [unknown] = command.args;
      if (unknown !== undefined) command.error(`error: unknown command or argument '${unknown}'`);
      status = await run(options);
    });

  withSettings(program.command("check"))
    .description("check the settings and print them, without running the hub")
    .option("-q, --quiet", "print nothing if they are valid")
    .action(async (options: CheckOptions) => {
      status = await check(options);
    });

  withSettingsFile(program.command("status"))
    .description("show the health of the running hub, and its nodes")
    .option("--url <url>", "HTTP address of the hub (default: from the settings)")
    .option("--token-file <file>", "file with the HTTP token (default: from the settings)")
    .option("--json", "print the answer as JSON")
    .action(async (options: StatusOptions) => {
      status = await (await import("./status.ts")).status(options);
    });

  withSettingsFile(program.command("tail"))
    .description("show what arrives at the running hub, live, until Ctrl-C")
    .option("--camera <name>", "only this camera, and events of its node; * matches anything")
    .option("--events", "only events")
    .option("--url <url>", "HTTP address of the hub (default: from the settings)")
    .option("--token-file <file>", "file with the HTTP token (default: from the settings)")
    .option("--json", "print each line as JSON")
    .action(async (options: TailOptions) => {
      status = await (await import("./tail.ts")).tail(options);
    });

  withData(
    program
      .command("forget")
      .description("forget a node that is no longer in use; its images and events stay")
      .argument("<node>", "name of the node, as imagehub status shows it"),
  )
    .option("--url <url>", "HTTP address of the hub (default: from the settings)")
    .option("--token-file <file>", "file with the HTTP token (default: from the settings)")
    .action(async (node: string, options: ForgetOptions) => {
      status = await (await import("./forget.ts")).forget(node, options);
    });

  withSettingsFile(
    program
      .command("drain")
      .description("let a hub's cameras go to other hubs, before it is stopped"),
  )
    .option("--wait", "return when nobody is connected any more")
    .option("--off", "bring it back into service")
    .option("--url <url>", "HTTP address of the hub (default: from the settings)")
    .option("--token-file <file>", "file with the HTTP token (default: from the settings)")
    .action(async (options: DrainOptions) => {
      status = await (await import("./drain.ts")).drain(options);
    });

  withData(program.command("days").description("list the days and what is stored of each"))
    .option("--json", "print as JSON, with each camera of each day")
    .action(async (options: DaysOptions) => {
      status = (await import("./days.ts")).days(options);
    });

  withSettingsFile(
    program.command("prune").description("delete what the rules under keep no longer keep, now"),
  )
    .option("--data <dir>", "data directory (default: that of the settings)")
    .option("--dry-run", "print what would be deleted, and delete nothing")
    .option("--force", "delete even more than half of all images")
    .option("--json", "print the outcome as JSON")
    .action(async (options: PruneOptions) => {
      status = await (await import("./prune.ts")).prune(options);
    });
  for (const name of ["protect", "unprotect"] as const) {
    withSettingsFile(program.command(name))
      .description(
        name === "protect"
          ? "protect images: no rule deletes them, and they outlive the folder of their day"
          : "end the protection of images; no image is removed by this",
      )
      .argument("<what...>", "names of images, paths to them, or days such as 2026-11-20")
      .option("--camera <name>", "only this camera's images of the days; * matches anything")
      .option("--data <dir>", "data directory (default: that of the settings)")
      .option("--dry-run", "print what would be done, and change nothing")
      .option("--json", "print the result as JSON")
      .action(async (what: string[], options: ProtectOptions) => {
        status = (await import("./protect.ts")).protect(name, what, options);
      });
  }
  withData(
    program
      .command("archive")
      .description("copy days that are over to the archive")
      .argument("[days...]", "such as 2018-12-30 (default: all that are due)"),
  )
    .option("--init", "make the directory of the settings an archive")
    .option("--dry-run", "print what would be copied, and copy nothing")
    .option("--json", "print the result as JSON")
    .action(async (days: string[], options: ArchiveOptions) => {
      status = await (await import("./archive.ts")).archive(days, options);
    });

  withData(
    program
      .command("restore")
      .description(
        "bring a day back from the archive, or days from the bucket; no file is overwritten",
      )
      .argument("[days...]", "such as 2018-12-30 (default with --from-bucket: all)"),
  )
    .option("--from-bucket", "from the bucket of the settings")
    .option("--hub <name>", "with --from-bucket: folder of the hub there (default: replicate.name)")
    .option("--protect", "protect its images, so that no rule deletes them again")
    .option("--dry-run", "print what would be restored, and restore nothing")
    .option("--json", "print the result as JSON")
    .action(async (days: string[], options: RestoreOptions) => {
      status = await (await import("./restore.ts")).restore(days, options);
    });

  withData(
    program
      .command("verify")
      .description("look for damaged images, in the data directory, the archive and the bucket")
      .argument("[days...]", "such as 2018-12-30 (default: all)"),
  )
    .option("--bucket", "also compare all of it with the bucket of the settings")
    .option("--deep", "with --bucket: download every object, and check its content")
    .option("--json", "print the result as JSON")
    .action(async (days: string[], options: VerifyOptions) => {
      status = await (await import("./verify.ts")).verify(days, options);
    });

  program
    .command("send")
    .description("send images or an event to a hub, as a camera node does, and show the result")
    .argument("[files...]", "images to send: JPEG, or any picture with --raw")
    .option("--node <name>", "node name of the images")
    .option("--view <name>", "camera name on that node")
    .option("--event <text>", 'text of an event to send, such as "Garage|Temp|76 F"')
    .option("--to <endpoint>", "the hub: tcp://HOST:PORT, or HOST", "tcp://127.0.0.1:5555")
    .option("--raw", "send the pixels as an OpenCV array instead of the file")
    .option("--key <file>", "key pair of the sender (*.key_secret), if the hub uses curve")
    .option("--server-key <file>", "public key of the hub (*.key), if it uses curve")
    .option("--timeout <seconds>", "time limit for the connection, and for each answer", "10")
    .action(async (files: string[], options: SendOptions) => {
      status = await (await import("./send.ts")).send(files, options);
    });

  program
    .command("keygen")
    .description("make a CURVE key pair: NAME.key and NAME.key_secret")
    .argument("<name>", "owner of the keys, such as hub or barn")
    .option("--out <dir>", "directory for the two files", ".")
    .action(async (name: string, options: KeygenOptions) => {
      status = await (await import("./keygen.ts")).keygen(name, options);
    });

  withSettingsFile(
    program
      .command("mqtt")
      .description("work with the MQTT broker of the settings")
      .command("test")
      .description("send one message to the MQTT broker of the settings, and say what worked"),
  ).action(async (options: SettingsOptions) => {
    status = await (await import("./mqtt-test.ts")).mqttTest(options);
  });

  const replicate = program
    .command("replicate")
    .description("work with the S3 store of the settings");

  withData(
    replicate
      .command("adopt")
      .description(
        "go on in the folder of another hub, after its disk was replaced; that hub must not run any more",
      ),
  ).action(async (options: SettingsOptions) => {
    status = await (await import("./replicate-adopt.ts")).replicateAdopt(options);
  });

  withSettingsFile(
    replicate
      .command("test")
      .description("put a small object into the bucket of the settings, and say what worked"),
  ).action(async (options: SettingsOptions) => {
    status = await (await import("./replicate-test.ts")).replicateTest(options);
  });

  withSettingsFile(
    program
      .command("view")
      .description("serve the page of all hubs of a bucket, read-only, until Ctrl-C or SIGTERM"),
  ).action(async (options: SettingsOptions) => {
    status = await (await import("./view.ts")).view(options);
  });

  const webhook = program.command("webhook").description("work with the webhooks of the settings");

  withSettingsFile(
    webhook
      .command("test")
      .description("send a test message to the webhooks, once, and show what they answer")
      .argument("[number]", "only this one; 1 is the first in the settings"),
  ).action(async (number: string | undefined, options: SettingsOptions) => {
    status = await (await import("./webhook.ts")).test(number, options);
  });

  const service = program.command("service").description("run the hub as a systemd service");

  service
    .command("install")
    .description(
      "install this executable as a service that starts at boot, and start it; run it again to update",
    )
    .option(
      "--user <name>",
      "user to run as (default: that of the installed service, else the caller of sudo or the owner of the executable)",
    )
    .option(
      "--config <file>",
      "settings file, created if missing (default: that of the installed service, else imagehub.yaml in the user's home)",
    )
    .option(
      "--data <dir>",
      "data directory of a new settings file (default: imagehub_data beside it)",
    )
    .option("--min-free <amount>", 'keep.min_free of a new settings file, such as "5 %" or "20 GB"')
    .option("--keep-days <number>", "keep.days of a new settings file")
    .option(
      "--http-listen <address>",
      "http.listen of a new settings file, such as 0.0.0.0:8550; makes a token if other machines can reach it",
    )
    .option("--dry-run", "print what would be done and written, and change nothing")
    .action(async (options: InstallOptions) => {
      status = await (await import("./service-install.ts")).install(options);
    });

  service
    .command("uninstall")
    .description("stop and remove the service; settings and data stay")
    .option("--dry-run", "print what would be done, and change nothing")
    .action(async (options: UninstallOptions) => {
      status = (await import("./service.ts")).uninstall(options);
    });

  service
    .command("status")
    .description("show the state of the service; exit status 1 if it is not running")
    .action(async () => {
      status = (await import("./service.ts")).status();
    });

  try {
    await program.parseAsync(args, { from: "user" });
    return status;
  } catch (error) {
    // Commander has printed its own errors. Help that was asked for is not an error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof FatalError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error.status;
  }
}

function withSettings(command: Command): Command {
  return withSettingsFile(command)
    .option("--port <number>", "TCP port to listen on (default: 5555)")
    .option("--data <dir>", "data directory (default: imagehub_data beside imagehub.yaml)");
}

function withData(command: Command): Command {
  return withSettingsFile(command).option(
    "--data <dir>",
    "data directory (default: that of the settings)",
  );
}

function withSettingsFile(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--path <dir>",
        "directory of imagehub.yaml and the data (default: home directory)",
      ).conflicts("config"),
    )
    .option("--config <file>", "settings file to use instead of imagehub.yaml");
}

async function printVersion(): Promise<void> {
  // Most commands do not need libzmq in this thread.
  const { zmqVersion } = await import("../zmq/library.ts");
  process.stdout.write(
    `imagehub ${VERSION} (${COMMIT}), Bun ${Bun.version}, libzmq ${zmqVersion()}\n`,
  );
}
