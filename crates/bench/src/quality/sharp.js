// Encodes a picture with sharp: node -e SCRIPT -- DIR RAW WIDTH HEIGHT METHOD OUTPUT BUDGET_MS QUALITY... METHOD is the call of
// an output method of sharp with the variable `quality`. RAW is a file of red, green and blue bytes. For each quality, the
// script writes the file OUTPUT.QUALITY. It prints a JSON array of milliseconds of processor time, one number per quality.
const fs = require("node:fs");
const [dir, raw, width, height, method, output, budget, ...qualities] = process.argv.slice(1);
const sharp = require(require.resolve("sharp", { paths: [dir] }));

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function encodeAll() {
  sharp.concurrency(1);
  sharp.cache(false);
  const input = fs.readFileSync(raw);
  const shape = { raw: { width: Number(width), height: Number(height), channels: 3 } };
  const pipeline = new Function("image", "quality", "return image." + method);
  const encode = (quality) => pipeline(sharp(input, shape), Number(quality)).toBuffer();
  const times = [];
  for (const quality of qualities) {
    // The first encoding warms up. If it alone uses up the budget, it is measured and not repeated.
    let start = cpuMs();
    fs.writeFileSync(output + "." + quality, await encode(quality));
    let runs = 1;
    if (cpuMs() - start < Number(budget)) {
      runs = 0;
      start = cpuMs();
      for (; cpuMs() - start < Number(budget); runs += 1) await encode(quality);
    }
    times.push((cpuMs() - start) / runs);
  }
  console.log(JSON.stringify(times));
}

encodeAll();
