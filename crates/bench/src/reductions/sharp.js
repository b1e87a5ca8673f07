// Encodes a square picture as JPEG and reduces the JPEG with sharp: node -e SCRIPT -- DIR RAW SIDE JPEG OUTPUT SIDES... RAW is a
// file of red, green and blue bytes. The script writes the file JPEG, and for each of SIDES the file OUTPUT.SIDE with the red,
// green and blue bytes of the reduced picture.
const fs = require("node:fs");
const [dir, raw, side, jpeg, output, ...sides] = process.argv.slice(1);
const sharp = require(require.resolve("sharp", { paths: [dir] }));

async function reduceAll() {
  const shape = { raw: { width: Number(side), height: Number(side), channels: 3 } };
  const file = await sharp(fs.readFileSync(raw), shape).jpeg({ quality: 92, chromaSubsampling: "4:2:0" }).toBuffer();
  fs.writeFileSync(jpeg, file);
  for (const to of sides.map(Number)) {
    const reduced = sharp(file).resize(to, to, { fit: "fill", kernel: "lanczos3" });
    fs.writeFileSync(output + "." + to, await reduced.raw().toBuffer());
  }
}

reduceAll();
