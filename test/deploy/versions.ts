/**
 * The versions of imagehub that are deployed, and the hub that was there before the first one.
 *
 * @module
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Architecture, buildExecutable } from "../../scripts/executable.ts";
import { layOut } from "../../scripts/layout.ts";
import { CHECKOUT } from "../../scripts/lib/available.ts";
import { StepError } from "./account.ts";
import { type Container, until } from "./container.ts";

/** The versions in the order of deployment: what `--version` prints, and the program. */
const VERSIONS = {
  first: undefined,
  second: undefined,
  exits: "test/deploy/versions/exits.ts",
  deaf: "test/deploy/versions/deaf.ts",
} as const;

type Version = keyof typeof VERSIONS;

/** Builds a version as a workstation has it. @returns the folder that contains `imagehub/` */
export async function project(
  scratch: string,
  version: Version,
  architecture: Architecture,
): Promise<string> {
  const built = join(scratch, version, "dist");
  mkdirSync(built, { recursive: true });
  const program = VERSIONS[version];
  const entry = join(CHECKOUT, program ?? "src/main.ts");
  const outfile = join(built, `imagehub-linux-${architecture}`);
  await buildExecutable({ architecture, outfile, commit: version, entry });
  // A package contains both executables. A node uses only its own, so after the first package a
  // dummy will do for the other one.
  const other = architecture === "x64" ? "imagehub-linux-arm64" : "imagehub-linux-x64";
  if (version === "first") cpSync(join(CHECKOUT, "dist", other), join(built, other));
  else writeFileSync(join(built, other), version);
  await layOut(built, join(scratch, version, "imagehub"));
  rmSync(built, { recursive: true });
  return join(scratch, version);
}

/**
 * A service of the same name as the Python hub's, with code and data in the same places. It only
 * holds the port.
 *
 * @param disk what is mounted at `/home/ops/sentinelcam`; by default nothing
 */
export async function anotherHub(
  node: Container,
  logLine: string,
  disk = "/home/ops/sentinelcam",
): Promise<void> {
  const place = "/home/ops/imagehub/imagehub";
  const line = `${place}/imagehub.py`;
  const program = 'import socket, signal\ns = socket.create_server(("", 5555))\nsignal.pause()\n';
  const files: Record<string, string> = {
    [line]: program,
    "/home/ops/imagehub.yaml": "---\nhub:\n  data_directory: /home/ops/sentinelcam/imagehub\n",
    [`${disk}/imagehub/images/2021-09-24/Barn-2021-09-24T08.27.13.477000.jpg`]: "old",
    [`${disk}/imagehub/logs/imagehub.log`]: `${logLine}\n`,
    // Copying an update to the node deletes nothing there.
    [`${disk}/current_deployment/imagehub/imagehub/imagehub.py`]: program,
    "/etc/systemd/system/imagehub.service":
      "[Unit]\nDescription=Imagehub Service\n\n[Service]\nUser=ops\nRestart=always\n" +
      `ExecStart=/usr/bin/python3 ${line}\n\n[Install]\nWantedBy=multi-user.target\n`,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(node.root, dirname(path)), { recursive: true });
    writeFileSync(join(node.root, path), text);
  }
  const started = await node.ssh(
    `sudo chown -R ops:ops /home/ops ${disk} && sudo systemctl daemon-reload && sudo systemctl enable --now imagehub`,
  );
  if (started.status !== 0) throw new StepError(`The other hub does not start\n${started.stderr}`);
  await until(
    "it listens",
    async () => (await node.ssh("ss -tln")).stdout.includes(":5555"),
    20_000,
  );
}

/** The code blocks of a page. */
export function blocks(page: string): string[] {
  const text = readFileSync(join(CHECKOUT, page), "utf8");
  return [...text.matchAll(/^ *```\n(?<code>[\s\S]*?)^ *```$/gmu)].map(({ groups }) =>
    (groups?.["code"] ?? "").replaceAll(/^ +/gmu, ""),
  );
}
