#![no_main]
pixaven_fuzz::decodes!(Jp2);
