#![no_main]
pixaven_fuzz::decodes!(Svg);
