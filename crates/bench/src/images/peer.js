// Measures sharp at one job: node -e SCRIPT -- DIR INPUT JOB BUDGET_MS [KEEP]. JOB is an expression of `sharp` and the
// input's bytes, `input`, that makes a pipeline. Without a job it prints the versions.
const fs = require("node:fs");
const [dir, path, job, budget, keep] = process.argv.slice(1);
const sharp = require(require.resolve("sharp", { paths: [dir] }));

function statusKib(key) {
  const line = fs.readFileSync("/proc/self/status", "utf8").split("\n").find((line) => line.startsWith(key + ":"));
  return Number(line.match(/(\d+) kB/)[1]);
}

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function measure() {
  sharp.concurrency(1);
  sharp.cache(false);
  const input = fs.readFileSync(path);
  const pipeline = new Function("sharp", "input", "return " + job);
  const once = () => pipeline(sharp, input).toBuffer();
  const beforeKib = statusKib("VmRSS");
  let start = cpuMs();
  let last = await once();
  let done = 1;
  if (cpuMs() - start < budget) {
    last = await once();
    done = 0;
    start = cpuMs();
    for (; cpuMs() - start < budget; done += 1) last = await once();
  }
  const cpu = (cpuMs() - start) / done;
  const peakKib = statusKib("VmHWM");
  if (keep) fs.writeFileSync(keep, last);
  const sample = { cpu_ms: cpu, peak_kib: peakKib, growth_kib: peakKib - beforeKib, bytes: last.length };
  console.log(JSON.stringify(sample));
}

if (job) {
  measure();
} else {
  console.log(JSON.stringify({ version: sharp.versions.sharp, libvips: sharp.versions.vips }));
}
