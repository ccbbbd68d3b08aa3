/**
 * The role as it lies there: its form, and what its templates give. `npm run deploy-test` runs it.
 *
 * @module
 */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
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

/** What the templates give with the example's inventory and some more variables. */
async function render(
  variables: Record<string, unknown> = {},
): Promise<{ settings: string; unit: string; file: string } & Disposable> {
  const temp = tempDir();
  const disk = { stdout_lines: SITE_DISK };
  const vars = {
    imagehub_disk: disk,
    ...variables,
    templates: join(ANSIBLE, "roles/imagehub/templates"),
    folder: temp.path,
  };
  const { status, output } = await run(
    "ansible-playbook",
    "-i",
    "inventory",
    join(import.meta.dir, "render.yaml"),
    "--extra-vars",
    JSON.stringify(vars),
  );
  if (status !== 0) throw new Error(output);
  const file = join(temp.path, "imagehub.yaml");
  return {
    settings: readFileSync(file, "utf8"),
    unit: readFileSync(join(temp.path, "imagehub.service"), "utf8"),
    file,
    [Symbol.dispose]: () => temp[Symbol.dispose](),
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

  test(
    "writes the settings file and the unit of the site when nothing else is asked for",
    async () => {
      using rendered = await render();
      expect(rendered.settings).toBe(readFileSync(join(import.meta.dir, "imagehub.yaml"), "utf8"));
      expect(rendered.unit).toBe(readFileSync(join(CHECKOUT, "deploy/imagehub.service"), "utf8"));
    },
    BOUND_MS,
  );

  test.each([
    ["on the system's disk", "/home/ops/sentinelcam/imagehub", undefined],
    ["behind a link", "/mnt/my-disk/imagehub", "/mnt/my-disk"],
  ])(
    "ties the unit to the disk of data %s",
    async (_, real, mountPoint) => {
      const unit = mountPoint === undefined ? "" : mountUnit(mountPoint);
      using rendered = await render({ imagehub_disk: { stdout_lines: [real, unit, ""] } });
      expect(rendered.unit).toBe(
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
    },
    BOUND_MS,
  );

  test(
    "writes what is kept and the archive, and lets the hub write there",
    async () => {
      using rendered = await render({
        imagehub_keep: { min_free: "5 %", cameras: [{ match: "Barn*", days: 7 }] },
        imagehub_archive: { directory: "/mnt/nas/imagehub", format: "tar" },
        imagehub_settings: { ack: "synced", keep: { days: 30 } },
        imagehub_archive_disk: { stdout: "/mnt/nas" },
      });
      const { settings } = loadSettings({ config: rendered.file, env: {} });
      expect(settings).toMatchObject({
        ack: "synced",
        keep: { days: 30, min_free: "5 %", cameras: [{ match: "Barn*", days: 7 }] },
        archive: { directory: "/mnt/nas/imagehub", format: "tar", required: true },
      });
      const shipped = readFileSync(join(CHECKOUT, "deploy/imagehub.service"), "utf8");
      const [line = ""] = /^ReadWritePaths=.*$/mu.exec(shipped) ?? [];
      expect(rendered.unit).toBe(shipped.replace(line, `${line} -/mnt/nas`));
    },
    BOUND_MS,
  );

  test(
    "has a token if other machines can reach the page, or one is given",
    async () => {
      for (const [variables, file] of [
        [{ imagehub_http_listen: "0.0.0.0:8550" }, "/home/ops/imagehub.token"],
        [{ imagehub_http_listen: "[::1]:8550" }, ""],
        [
          { imagehub_http_token: "0123456789abcdef", imagehub_http_token_path: "/etc/hub.token" },
          "/etc/hub.token",
        ],
      ] as const) {
        using rendered = await render(variables);
        expect(rendered.settings).not.toContain("0123456789abcdef");
        const { http } = loadSettings({ config: rendered.file, env: {} }).settings;
        const { imagehub_http_listen: listen = "127.0.0.1:8550" } = variables as {
          readonly imagehub_http_listen?: string;
        };
        expect(http).toMatchObject({ listen, token_file: file });
      }
    },
    BOUND_MS,
  );

  test(
    "writes settings and a unit for other places when its variables say so",
    async () => {
      using rendered = await render({
        sentinelcam_ports: { imagehub_zmq: 5556 },
        data_directory: "/srv/my-disk/cameras",
        imagehub_disk: { stdout_lines: ["/srv/my-disk/cameras", mountUnit("/srv/my-disk"), ""] },
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
      });
      const { settings } = loadSettings({ config: rendered.file, env: {} });
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
      expect(rendered.unit).toBe(
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
    },
    BOUND_MS,
  );
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
