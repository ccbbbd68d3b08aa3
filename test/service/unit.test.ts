import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatUnit, isOwnUnit, mountUnit, type Places, placesIn } from "../../src/service/unit.ts";
import { CHECKOUT, lacks } from "../../scripts/lib/available.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(60_000);

const SHIPPED = readFileSync(join(CHECKOUT, "deploy/imagehub.service"), "utf8");

const SITE: Places = {
  user: "ops",
  group: "ops",
  executable: "/opt/imagehub/imagehub",
  config: "/home/ops/imagehub.yaml",
  configDirectory: "/home/ops",
  dataDirectory: "/home/ops/sentinelcam/imagehub",
  realDataDirectory: "/home/ops/sentinelcam/imagehub",
  mountPoint: "/home/ops/sentinelcam",
  archivePlace: undefined,
};

/** Maximum exposure of the unit, in tenths (systemd-analyze security, 0 to 10). */
const EXPOSURE_TENTHS_MAX = 15;

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

function analyze(...args: string[]): { status: number; output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["systemd-analyze", "--no-pager", ...args]);
  return { status: exitCode, output: `${stdout.toString()}${stderr.toString()}` };
}

/** The unit for a machine with existing paths, which `systemd-analyze verify` checks. */
function unitOnDisk(folder: string, user: string): string {
  const home = join(temp.path, folder);
  mkdirSync(home);
  writeFileSync(join(home, "imagehub"), "#!/bin/sh\n");
  chmodSync(join(home, "imagehub"), 0o755);
  const unit = join(temp.path, `imagehub${Bun.hash(folder)}.service`);
  const places = {
    user,
    group: user,
    executable: join(home, "imagehub"),
    config: join(home, "a.yaml"),
  };
  writeFileSync(
    unit,
    formatUnit({
      ...places,
      configDirectory: home,
      dataDirectory: join(home, "data"),
      realDataDirectory: join(home, "data"),
      mountPoint: undefined,
      archivePlace: undefined,
    }),
  );
  return unit;
}

test("formatUnit gives the shipped unit for the places that stand in it", () => {
  expect(formatUnit(SITE)).toBe(SHIPPED);
});

test("formatUnit changes the lines with places, and no other", () => {
  const unit = formatUnit({
    user: "pi",
    group: "cameras",
    executable: "/usr/local/bin/imagehub",
    config: "/etc/imagehub.yaml",
    configDirectory: "/etc",
    dataDirectory: "/srv/images",
    realDataDirectory: "/mnt/disk/images",
    mountPoint: undefined,
    archivePlace: undefined,
  });
  const before = new Set(SHIPPED.split("\n"));
  expect(unit.split("\n").filter((line) => !before.has(line))).toEqual([
    "After=network.target",
    "RequiresMountsFor=/etc /usr/local/bin /srv/images /mnt/disk/images",
    "BindsTo=",
    "User=pi",
    "Group=cameras",
    "WorkingDirectory=/etc",
    "ExecStart=/usr/local/bin/imagehub run --config /etc/imagehub.yaml",
    "ExecReload=/usr/local/bin/imagehub check --quiet --config /etc/imagehub.yaml",
    "ReadWritePaths=-/srv/images",
    "WantedBy=multi-user.target",
  ]);
});

test("formatUnit quotes paths as systemd reads them, and placesIn reads them again", () => {
  const unit = formatUnit({
    ...SITE,
    executable: "/opt/my hub/100%/imagehub",
    config: '/opt/my "hub"/$x.yaml',
    configDirectory: "/opt/my hub",
    dataDirectory: "/srv/50% of it\\all",
    realDataDirectory: "/srv/50% of it\\all",
  });
  expect(unit).toContain(
    String.raw`ExecStart="/opt/my hub/100%%/imagehub" run --config "/opt/my \"hub\"/$$x.yaml"`,
  );
  expect(unit).toContain('RequiresMountsFor="/opt/my hub" "/opt/my hub/100%%"');
  expect(unit).toContain(String.raw`ReadWritePaths="-/srv/50%% of it\\all"`);
  expect(placesIn(unit)).toEqual({
    user: "ops",
    group: "ops",
    executable: "/opt/my hub/100%/imagehub",
    config: '/opt/my "hub"/$x.yaml',
    dataDirectory: String.raw`/srv/50% of it\all`,
    mount: "home-ops-sentinelcam.mount",
  });
  const {
    configDirectory: _,
    realDataDirectory: __,
    mountPoint: ___,
    archivePlace: ____,
    ...places
  } = SITE;
  expect(placesIn(SHIPPED)).toEqual({ ...places, mount: "home-ops-sentinelcam.mount" });
  expect(placesIn(formatUnit({ ...SITE, mountPoint: undefined })).mount).toBe("");
});

test.each([
  ["/srv/images", "/mnt/nas", "-/srv/images -/mnt/nas"],
  ["/srv/my images", "/mnt/my nas", '"-/srv/my images" "-/mnt/my nas"'],
  ['/srv/a"b\\c', "/mnt/100%", String.raw`"-/srv/a\"b\\c" -/mnt/100%%`],
])(
  "formatUnit lets the hub write to %s and the archive's place %s, and needs no archive",
  (...row) => {
    const [dataDirectory, archivePlace, line] = row;
    const unit = formatUnit({ ...SITE, dataDirectory, archivePlace });
    expect(unit).toContain(`\nReadWritePaths=${line}\n`);
    expect(placesIn(unit).dataDirectory).toBe(dataDirectory);
    const others = formatUnit({ ...SITE, dataDirectory }).replace(/^ReadWritePaths=.*$/m, "");
    expect(unit.replace(/^ReadWritePaths=.*$/m, "")).toBe(others);
  },
);

test("isOwnUnit knows its own units from others", () => {
  expect(isOwnUnit(SHIPPED)).toBe(true);
  expect(isOwnUnit("[Service]\nExecStart=/usr/bin/python3 imagehub.py\n")).toBe(false);
});

describe.skipIf(lacks("systemd"))("systemd", () => {
  test.each(["/srv", "/home/ops/sentinelcam", "/mnt/my-disk", "/mnt/.ä b", "/mnt/a.b:c_d"])(
    "names the mount of %s as mountUnit does",
    (path) => {
      const escaped = Bun.spawnSync([
        "systemd-escape",
        "--path",
        "--suffix=mount",
        path,
      ]).stdout.toString();
      expect(mountUnit(path)).toBe(escaped.trimEnd());
    },
  );

  test.each(["home", "my home 100%"])("finds nothing wrong with the unit of %s", (folder) => {
    const { status, output } = analyze("verify", "--man=no", unitOnDisk(folder, "daemon"));
    // Problems of this machine's other units are reported too.
    const own = output.split("\n").filter((line) => line.includes("imagehub"));
    expect({ status, own }).toEqual({ status: 0, own: [] });
  });

  test("rates what the service may do to the machine as little", () => {
    const unit = join(CHECKOUT, "deploy/imagehub.service");
    const { status, output } = analyze(
      "security",
      "--offline=true",
      `--threshold=${EXPOSURE_TENTHS_MAX}`,
      unit,
    );
    expect({ status, output }).toMatchObject({ status: 0 });
    expect(output).toContain("Overall exposure level");
  });
});
