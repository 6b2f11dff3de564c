// The way in from npm: makes sure that the packages of package-lock.json are there, then runs a script with Bun, which
// is one of them. Plain JavaScript, because all that a fresh machine has is Node.js.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [script, ...args] = process.argv.slice(2);

function installPackages() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const stamp = join(root, "node_modules", ".installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.error("Installing packages (npm install) …");
  // Not "npm ci": that refuses a lock file which lacks the packages of platforms that nobody here builds for.
  const { status } = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) {
    console.error("npm install failed: without the packages nothing can be built or tested.");
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}

// The package "bun" puts its executable in place by an install script; where npm does not run those, the package of
// the platform still has it.
function findBun() {
  const platform = `bun-linux-${process.arch === "arm64" ? "aarch64" : "x64"}`;
  const candidates = [join(root, "node_modules/@oven", platform, "bin/bun"), join(root, "node_modules/.bin/bun")];
  const bun = candidates.find((path) => existsSync(path));
  if (bun === undefined) {
    console.error(`The package "bun" has no executable for ${process.platform} ${process.arch}.`);
    process.exit(1);
  }
  return bun;
}

installPackages();
// The script hears an interrupt too, takes down what it made, and ends; this process waits for it.
process.on("SIGINT", () => {});
const child = spawnSync(findBun(), [join(root, "scripts", `${script}.ts`), ...args], { cwd: root, stdio: "inherit" });
process.exit(child.status ?? 1);
