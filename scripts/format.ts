/** Formats the sources and mends what Biome can mend. */

const { exitCode } = Bun.spawnSync(["node_modules/.bin/biome", "check", "--write", "."], {
  stdout: "inherit",
  stderr: "inherit",
});
process.exit(exitCode);
