// Measures sharp at one case: node -e SCRIPT -- DIR INPUT PIPELINE BUDGET_MS [OUTPUT]. PIPELINE is an expression that makes
// a pipeline of `sharp` from `input`, the bytes of the file INPUT.
const fs = require("node:fs");
const [dir, path, pipelineExpression, budget, output] = process.argv.slice(1);
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
  const pipeline = new Function("sharp", "input", "return " + pipelineExpression);
  const runOnce = () => pipeline(sharp, input).toBuffer();
  const beforeKib = statusKib("VmRSS");
  let start = cpuMs();
  let last = await runOnce();
  let runs = 1;
  if (cpuMs() - start < budget) {
    last = await runOnce();
    runs = 0;
    start = cpuMs();
    for (; cpuMs() - start < budget; runs += 1) last = await runOnce();
  }
  const cpu = (cpuMs() - start) / runs;
  const peakKib = statusKib("VmHWM");
  if (output) fs.writeFileSync(output, last);
  const measurement = { cpu_ms: cpu, peak_kib: peakKib, growth_kib: peakKib - beforeKib, bytes: last.length };
  console.log(JSON.stringify(measurement));
}

measure();
