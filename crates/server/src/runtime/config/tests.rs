//! Tests of `Config::load`: the effective values that result from all layers, and the configurations that are
//! refused.

use std::error::Error as _;

use pixaven_imaging::TruncatedInput;

use super::*;

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Loads the configuration from a file that contains `text`.
fn load_file(text: &str) -> Result<Config, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Sources { file: Some(path), ..Sources::default() })
}

fn load_variables(variables: &[(&str, &str)]) -> Result<Config, Error> {
    Config::load(Sources { environment: owned(variables), ..Sources::default() })
}

fn message(result: Result<Config, Error>) -> String {
    result.expect_err("the configuration is invalid").to_string()
}

#[test]
fn every_setting_has_its_default_value_if_neither_a_file_nor_a_variable_nor_a_flag_sets_it() {
    let config = Config::load(Sources::default()).unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.server.data_dir, Path::new("./pixaven-data"));
    assert_eq!((config.server.public_url.as_deref(), config.server.tls()), (None, None));
    assert_eq!(config.limits.body_bytes, 64 << 20);
    assert_eq!(config.limits.json_bytes, 1 << 20);
    assert_eq!(config.limits.imaging(&config.input, &config.images), pixaven_imaging::Limits::default());
    assert_eq!((config.fetch.deadline_s, config.fetch.redirects), (15, 5));
    assert_eq!(config.webhooks.pauses_ms()[..3], [0, 5_000, 300_000]);
    assert_eq!(config.webhooks.pauses_ms().len(), 10);
    assert_eq!(config.network.allow, []);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));
}

#[test]
fn a_later_configuration_layer_overrides_single_settings_of_an_earlier_layer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pixaven.toml");
    std::fs::write(&path, "[limits]\nframes = 1\nscans = 1\npixels = 1").unwrap();
    let config = Config::load(Sources {
        file: Some(path.clone()),
        environment: owned(&[
            ("PIXAVEN_LIMITS_SCANS", "2"),
            ("PIXAVEN_LIMITS_PIXELS", "2"),
            ("HOME", "/root"),
        ]),
        flags: owned(&[("limits.pixels", "3")]),
    })
    .unwrap();
    let limits = &config.limits;
    assert_eq!((limits.frames, limits.scans, limits.pixels), (1, 2, 3));
    assert_eq!(limits.output_side_px, 20_000, "a setting that no layer overrides keeps its default");

    let rendered = config.render();
    for line in [
        "output_side_px = 20000 # default".to_owned(),
        format!("frames = 1 # file {}", path.display()),
        "scans = 2 # variable PIXAVEN_LIMITS_SCANS".to_owned(),
        "pixels = 3 # command line".to_owned(),
    ] {
        assert!(rendered.lines().any(|rendered| rendered == line), "{line} in\n{rendered}");
    }
}

#[test]
fn a_configuration_rendered_as_a_file_is_loaded_with_the_same_setting_values() {
    let config = Config::with(&[
        ("server.data_dir", "/a directory/with \"quotes\" # and more"),
        ("network.allow", "10.0.0.0/8, ::1"),
        ("webhooks.schedule_s", "1,2,3"),
    ])
    .unwrap();
    let reloaded = load_file(&config.render()).unwrap();
    assert_eq!(reloaded.layers.table(), config.layers.table());
    assert_eq!(reloaded.network.allow.len(), 2);
    assert_eq!(reloaded.webhooks.schedule_s, [1, 2, 3]);
}

#[test]
fn the_setting_input_truncated_decides_how_image_workers_treat_cut_off_images() {
    let policy = |value| {
        let config = Config::with(&[("input.truncated", value)]).unwrap();
        config.limits.imaging(&config.input, &config.images).truncated
    };
    assert_eq!(policy("warn"), TruncatedInput::Warn);
    assert_eq!(policy("refuse"), TruncatedInput::Refuse);
}

#[test]
fn an_unknown_setting_is_refused_with_an_error_that_names_the_most_similar_setting() {
    for (text, name, nearest) in [
        ("[server]\nlisten_on = \"127.0.0.1:80\"", "server.listen_on", "server.listen"),
        ("[sever]\nlisten = \"127.0.0.1:80\"", "[sever]", "[server]"),
        ("[limits]\nframe = 2", "limits.frame", "limits.frames"),
    ] {
        let message = message(load_file(text));
        let start = format!("there is no setting {name}; the nearest is {nearest} (file ");
        assert!(message.starts_with(&start) && message.ends_with("some.toml)"), "{message}");
    }
    assert_eq!(
        message(load_variables(&[("PIXAVEN_SERVER_LISEN", "127.0.0.1:80")])),
        "there is no setting PIXAVEN_SERVER_LISEN; the nearest is PIXAVEN_SERVER_LISTEN \
         (variable PIXAVEN_SERVER_LISEN)",
    );
    assert_eq!(
        message(Config::with(&[("log.levl", "info")])),
        "there is no setting log.levl; the nearest is log.level (command line)",
    );
}

#[test]
fn an_invalid_setting_value_is_refused_with_an_error_that_names_the_accepted_values() {
    let cases: &[(&str, &str, &str)] = &[
        ("limits.frames", "0", "must be an integer from 1 to 100000, got 0"),
        ("limits.frames", "many", "must be an integer from 1 to 100000, got \"many\""),
        ("limits.frames", "", "must be an integer from 1 to 100000, got \"\""),
        ("webhooks.schedule_s", "5,-1", "must be a list of integers from 1 to 604800, got [5, -1]"),
        ("input.truncated", "accept", "must be one of refuse, warn, got \"accept\""),
        ("log.level", "loud", "must be one of error, warn, info, debug, trace, got \"loud\""),
        ("log.format", "xml", "must be one of text, json, got \"xml\""),
        (
            "server.listen",
            "localhost:80",
            "must be an IP address and a port, such as 127.0.0.1:8080, got \"localhost:80\"",
        ),
        (
            "server.public_url",
            "https://user:secret@example.com",
            "must be an http or https URL without user name, query and fragment",
        ),
        ("server.tls_cert", "cert.pem", "needs server.tls_key"),
        ("server.tls_key", "key.pem", "needs server.tls_cert"),
        ("server.plain_listen", "127.0.0.1:80", "needs server.tls_cert and server.tls_key"),
        (
            "webhooks.proxy",
            "http://user:secret@proxy:3128",
            "must be an http URL of a host and a port, such as http://proxy.example.com:3128, and nothing more",
        ),
        ("webhooks.proxy_credentials", "proxy.txt", "needs webhooks.proxy"),
        ("webhooks.lease_s", "29", "must be at least three times webhooks.deadline_s"),
        ("jobs.lease_s", "224", "must be at least three times fetch.deadline_s + images.wall_s"),
    ];
    for &(key, value, expected) in cases {
        let by_flag = message(Config::with(&[(key, value)]));
        assert_eq!(by_flag, format!("{key}: {expected} (command line)"));
        let name = variable_name(key);
        let by_variable = message(load_variables(&[(&name, value)]));
        assert_eq!(by_variable, format!("{key}: {expected} (variable {name})"));
    }
    let network = message(Config::with(&[("network.allow", "::1/128,10.0.0.1/8")]));
    assert!(network.starts_with("network.allow: `10.0.0.1/8` is not a network"), "{network}");
    assert!(network.ends_with("(command line)"), "{network}");
}

#[test]
fn a_value_of_the_wrong_type_in_a_configuration_file_is_refused() {
    for (text, expected) in [
        ("[limits]\nframes = \"2\"", "limits.frames: must be an integer from 1 to 100000, got \"2\""),
        ("[limits]\nframes = 2.5", "limits.frames: must be an integer from 1 to 100000, got 2.5"),
        ("[network]\nallow = \"::1\"", "network.allow: must be a list of texts, got \"::1\""),
        ("[log]\nformat = true", "log.format: must be one of text, json, got true"),
        ("server = 1", "there is no setting server;"),
    ] {
        let message = message(load_file(text));
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn the_error_for_a_missing_or_malformed_configuration_file_names_this_file() {
    let missing = Config::load(Sources { file: Some("no/such.toml".into()), ..Sources::default() });
    assert_eq!(message(missing), "cannot read the configuration file no/such.toml");
    let broken = load_file("[server\n").expect_err("the file is not TOML");
    assert!(broken.to_string().ends_with("some.toml is not TOML"), "{broken}");
    let source = broken.source().expect("the error has a source that gives the line").to_string();
    assert!(source.contains("line 1"), "{source}");
}

#[test]
fn the_texts_of_setting_values_are_converted_to_urls_file_paths_and_ip_addresses() {
    let config = Config::with(&[
        ("server.public_url", "https://images.example.com/base/"),
        ("server.tls_cert", "cert.pem"),
        ("server.tls_key", "key.pem"),
        ("server.plain_listen", "[::1]:80"),
    ])
    .unwrap();
    assert_eq!(config.server.public_url.as_deref(), Some("https://images.example.com/base"));
    assert_eq!(config.server.tls(), Some((Path::new("cert.pem"), Path::new("key.pem"))));
    assert_eq!(config.server.plain_listen, Some("[::1]:80".parse().unwrap()));
}

#[test]
fn the_configuration_ignores_environment_variables_that_kubernetes_sets_or_that_only_tests_use() {
    let variables = [
        ("PIXAVEN_SERVICE_HOST", "10.0.0.1"),
        ("PIXAVEN_SERVICE_PORT", "80"),
        ("PIXAVEN_PORT", "tcp://10.0.0.1:80"),
        ("PIXAVEN_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("PIXAVEN_CORPUS", "../corpus"),
        ("PIXAVEN_REQUIRE_CORPUS", "1"),
        ("PIXAVEN_SECOND_DECODERS", "/usr/bin/python3"),
    ];
    assert!(load_variables(&variables).is_ok());
}

#[test]
fn every_setting_can_be_set_by_its_own_environment_variable() {
    for section in sections() {
        for setting in section.settings {
            let key = format!("{}.{}", section.name, setting.key);
            let result = Config::load(Sources {
                environment: vec![(variable_name(&key), "\u{0}".to_owned())],
                ..Sources::default()
            });
            // A setting that is a path or a list accepts the text `"\u{0}"` as its value. Every other setting
            // must refuse this text.
            match result {
                Err(Error::Invalid { key: refused, .. }) => assert_eq!(refused, key),
                Err(other) => panic!("{key}: {other}"),
                Ok(config) => assert_eq!(config.layers.layer(&key), Layer::Variable(variable_name(&key))),
            }
        }
    }
}

#[test]
fn the_printed_configuration_shows_the_url_of_the_database_without_its_password() {
    for (url, printed) in [
        (
            "postgres://pixaven:se@cret@db.example:5433/pixaven",
            "postgres://pixaven:***@db.example:5433/pixaven",
        ),
        (
            "postgres://pixaven@db.example/p?application_name=a:b@c",
            "postgres://pixaven@db.example/p?application_name=a:b@c",
        ),
    ] {
        let rendered = Config::with(&[("ledger.url", url)]).unwrap().render();
        assert!(rendered.contains(&format!("url = \"{printed}\" # command line")), "{rendered}");
    }
}

#[test]
fn the_place_of_the_files_is_a_directory_or_a_bucket_with_a_prefix() {
    let bucket = |service, bucket: &str, prefix: &str| {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        Some(BlobsUrl::Bucket { service, bucket, prefix })
    };
    for (url, expected) in [
        ("", None),
        ("s3://files", bucket(BucketService::S3, "files", "")),
        ("s3://my.files/live/a/", bucket(BucketService::S3, "my.files", "live/a")),
        ("gs://files/a", bucket(BucketService::Google, "files", "a")),
        ("az://files/a", bucket(BucketService::Azure, "files", "a")),
        ("file:///var/lib/files", Some(BlobsUrl::Directory("/var/lib/files".into()))),
    ] {
        assert_eq!(Config::with(&[("blobs.url", url)]).unwrap().blobs.url, expected, "{url}");
    }
    for url in ["files", "ftp://files", "s3://", "s3://u:p@files", "s3://files?x=1", "s3://files:9000"] {
        let message = Config::with(&[("blobs.url", url)]).unwrap_err().to_string();
        assert!(message.starts_with("blobs.url: must be s3://bucket/prefix, gs://"), "{message}");
    }
}
