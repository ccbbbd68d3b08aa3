/**
 * The role as it lies there: its form, and what its templates give. `npm run deploy-test` runs it.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { loadSettings } from "../../src/config/load.ts";
import { formatUnit, mountUnit } from "../../src/service/unit.ts";
import { CHECKOUT, lacks } from "../../scripts/lib/available.ts";
import { tempDir } from "../support/machine/temp.ts";

const ANSIBLE = join(CHECKOUT, "deploy/ansible");

/** What its programs may take. They read some thousand lines of Python before they begin. */
const BOUND_MS = 300_000;

/** Runs one of Ansible's programs. @returns its exit status and output, for one comparison */
async function run(...words: readonly string[]): Promise<{ status: number; output: string }> {
  using temp = tempDir();
  const child = Bun.spawn([...words], {
    cwd: ANSIBLE,
    // Nothing of the user's own, and nothing into the home directory.
    env: {
      ...process.env,
      HOME: temp.path,
      ANSIBLE_HOME: temp.path,
      NO_COLOR: "1",
      ANSIBLE_NOCOLOR: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status: await child.exited, output: `${out}${err}` };
}

/**
 * What the role finds on a node of the site: where the data really is, and the mount unit of its
 * disk.
 */
const SITE_DISK = ["/home/ops/sentinelcam/imagehub", mountUnit("/home/ops/sentinelcam"), ""];

type Variables = Readonly<Record<string, unknown>>;

/** Variables beside those of the example's inventory, by what they are a case of. */
const CASES = {
  site: {},
  "on the system's disk": disk("/home/ops/sentinelcam/imagehub"),
  "behind a link": disk("/mnt/my-disk/imagehub", "/mnt/my-disk"),
  archive: {
    imagehub_keep: { min_free: "5 %", cameras: [{ match: "Barn*", days: 7 }] },
    imagehub_archive: { directory: "/mnt/nas/imagehub", format: "tar" },
    imagehub_settings: { ack: "synced", keep: { days: 30 } },
    imagehub_archive_disk: { stdout: "/mnt/nas" },
  },
  "seen from elsewhere": { imagehub_http_listen: "0.0.0.0:8550" },
  "seen from here": { imagehub_http_listen: "[::1]:8550" },
  "given token": {
    imagehub_http_token: "0123456789abcdef",
    imagehub_http_token_path: "/etc/hub.token",
  },
  elsewhere: {
    ...disk("/srv/my-disk/cameras", "/srv/my-disk"),
    sentinelcam_ports: { imagehub_zmq: 5556 },
    data_directory: "/srv/my-disk/cameras",
    imagehub_user: "hub",
    imagehub_group: "cameras",
    imagehub_config_path: "/etc/imagehub.yaml",
    imagehub_program_path: "/usr/local/lib/imagehub",
    imagehub_print_settings: true,
    imagehub_settings: {
      ack: "synced",
      allow: ["10.0.0.0/8", "fd00::/8"],
      http: { listen: "127.0.0.1:8551" },
    },
  },
} satisfies Readonly<Record<string, Variables>>;

type Case = keyof typeof CASES;

/** What the role finds out about the disk of the data. */
function disk(real: string, mountPoint?: string): Variables {
  const unit = mountPoint === undefined ? "" : mountUnit(mountPoint);
  return { imagehub_disk: { stdout_lines: [real, unit, ""] } };
}

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

const hostOf = (name: Case): string => `case-${Object.keys(CASES).indexOf(name)}`;

/** Has the templates of all cases written, each as a host: Ansible takes long to begin. */
async function renderAll(): Promise<void> {
  const names = Object.keys(CASES) as Case[];
  const hosts = names.map((name) => {
    const folder = join(temp.path, hostOf(name));
    mkdirSync(folder);
    const variables = {
      folder,
      templates: join(ANSIBLE, "roles/imagehub/templates"),
      imagehub_disk: { stdout_lines: SITE_DISK },
      ...CASES[name],
    };
    return [hostOf(name), variables];
  });
  const inventory = join(temp.path, "cases.json");
  // What everybody has is as weak as the defaults of a role.
  const defaults = parse(
    readFileSync(join(ANSIBLE, "roles/imagehub/defaults/main.yaml"), "utf8"),
  ) as unknown;
  writeFileSync(
    inventory,
    JSON.stringify({
      all: { vars: defaults },
      datasinks: { hosts: Object.fromEntries(hosts) as unknown },
    }),
  );
  const { status, output } = await run(
    "ansible-playbook",
    "-i",
    "inventory",
    "-i",
    inventory,
    "--limit",
    "case-*",
    join(import.meta.dir, "render.yaml"),
  );
  if (status !== 0) throw new Error(output);
}

/** What the templates gave. */
function rendered(name: Case) {
  const file = join(temp.path, hostOf(name), "imagehub.yaml");
  return {
    text: readFileSync(file, "utf8"),
    unit: readFileSync(join(temp.path, hostOf(name), "imagehub.service"), "utf8"),
    settings: loadSettings({ config: file, env: {} }).settings,
  };
}

describe.skipIf(lacks("ansible"))("the role imagehub", () => {
  test(
    "satisfies ansible-lint's profile for production",
    async () => {
      const { status, output } = await run("ansible-lint", "--offline", "--nocolor");
      expect({ status, output }).toEqual({
        status: 0,
        output: expect.stringContaining("production profile"),
      });
    },
    BOUND_MS,
  );

  test(
    "satisfies yamllint",
    async () => {
      expect(await run("yamllint", "--strict", ".")).toEqual({ status: 0, output: "" });
    },
    BOUND_MS,
  );

  test(
    "has a playbook that Ansible takes",
    async () => {
      const { status, output } = await run(
        "ansible-playbook",
        "--syntax-check",
        "playbooks/deploy-imagehub.yaml",
      );
      expect({ status, output }).toEqual({
        status: 0,
        output: expect.stringContaining("playbook:"),
      });
    },
    BOUND_MS,
  );

  describe("gives its templates variables", () => {
    beforeAll(renderAll, BOUND_MS);

    test("of the site, when nothing else is asked for", () => {
      const { text, unit } = rendered("site");
      expect(text).toBe(readFileSync(join(import.meta.dir, "imagehub.yaml"), "utf8"));
      expect(unit).toBe(readFileSync(join(CHECKOUT, "deploy/imagehub.service"), "utf8"));
    });

    test.each([
      ["on the system's disk", "/home/ops/sentinelcam/imagehub", undefined],
      ["behind a link", "/mnt/my-disk/imagehub", "/mnt/my-disk"],
    ] as const)("that tie the unit to the disk of data %s", (name, real, mountPoint) => {
      expect(rendered(name).unit).toBe(
        formatUnit({
          user: "ops",
          group: "ops",
          executable: "/opt/imagehub/imagehub",
          config: "/home/ops/imagehub.yaml",
          configDirectory: "/home/ops",
          dataDirectory: "/home/ops/sentinelcam/imagehub",
          realDataDirectory: real,
          mountPoint,
          archivePlace: undefined,
        }),
      );
    });

    test("of what is kept, and of an archive, where the hub may write", () => {
      const { settings, unit } = rendered("archive");
      expect(settings).toMatchObject({
        ack: "synced",
        keep: { days: 30, min_free: "5 %", cameras: [{ match: "Barn*", days: 7 }] },
        archive: { directory: "/mnt/nas/imagehub", format: "tar", required: true },
      });
      const shipped = readFileSync(join(CHECKOUT, "deploy/imagehub.service"), "utf8");
      const [line = ""] = /^ReadWritePaths=.*$/mu.exec(shipped) ?? [];
      expect(unit).toBe(shipped.replace(line, `${line} -/mnt/nas`));
    });

    test.each([
      ["seen from elsewhere", "0.0.0.0:8550", "/home/ops/imagehub.token"],
      ["seen from here", "[::1]:8550", ""],
      ["given token", "127.0.0.1:8550", "/etc/hub.token"],
    ] as const)("of a token if other machines can reach the page: %s", (name, listen, file) => {
      const { text, settings } = rendered(name);
      expect(text).not.toContain("0123456789abcdef");
      expect(settings.http).toMatchObject({ listen, token_file: file });
    });

    test("of settings and a unit for other places", () => {
      const { settings, unit } = rendered("elsewhere");
      expect(settings).toMatchObject({
        port: 5556,
        data_directory: "/srv/my-disk/cameras",
        queuemax: 500,
        patience: 1,
        print_settings: true,
        max_images_write: 7500,
        ack: "synced",
        http: { listen: "127.0.0.1:8551" },
      });
      expect(settings.allow).toHaveLength(2);
      expect(unit).toBe(
        formatUnit({
          user: "hub",
          group: "cameras",
          executable: "/usr/local/lib/imagehub/imagehub",
          config: "/etc/imagehub.yaml",
          configDirectory: "/etc",
          dataDirectory: "/srv/my-disk/cameras",
          realDataDirectory: "/srv/my-disk/cameras",
          mountPoint: "/srv/my-disk",
          archivePlace: undefined,
        }),
      );
    });
  });
});

test("the role's README names every variable of its defaults", () => {
  const role = join(ANSIBLE, "roles/imagehub");
  const readme = readFileSync(join(role, "README.md"), "utf8");
  const names = [
    ...readFileSync(join(role, "defaults/main.yaml"), "utf8").matchAll(/^\w+(?=:)/gmu),
  ].map(String);
  expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  const specs = readFileSync(join(role, "meta/argument_specs.yaml"), "utf8");
  expect(
    [...specs.matchAll(/^ {6}(?<name>\w+):/gmu)]
      .map(({ groups }) => groups?.["name"] ?? "")
      .toSorted(),
  ).toEqual(names.toSorted());
});
