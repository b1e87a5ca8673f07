//! Tests of a PostgreSQL server that fails: connections that are lost, and a server that stops.

use std::net::SocketAddr;

use pixaven_ledger::{Error, Store};
use pixaven_testkit::postgres::{Flush, new_cluster, new_database};
use pixaven_testkit::tcp_proxy::TcpProxy;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::fixture::{Fixture, LEASE_MS, request, webhook};

/// The advisory lock that the test holds to stop transactions in the middle of their commits.
const GATE: i64 = 77;

/// A ledger that is connected through a proxy, and a direct connection to its database.
struct Faulty {
    f: Fixture,
    proxy: TcpProxy,
    direct: Client,
    _connection: JoinSet<()>,
}

async fn database() -> Option<String> {
    tokio::task::spawn_blocking(new_database).await.unwrap()
}

/// Connects to a database. The connection ends when the returned set of tasks is dropped.
pub(crate) async fn connect(url: &str) -> (Client, JoinSet<()>) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    (client, tasks)
}

impl Faulty {
    async fn new() -> Option<Self> {
        let url = database().await?;
        let (direct, connection) = connect(&url).await;
        let server: SocketAddr = url.split(['@', '/']).nth(3).unwrap().parse().unwrap();
        let proxy = TcpProxy::start(server);
        let url = url.replace(&server.to_string(), &proxy.address.to_string());
        let f = Fixture::open(Store::Postgres { url }, ()).await;
        Some(Self { f, proxy, direct, _connection: connection })
    }

    /// Lets every transaction that inserts a request wait in its commit until [`Faulty::open_gate`].
    async fn close_gate(&self) {
        let sql = format!(
            "CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON requests DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION pass_gate();
             SELECT pg_advisory_lock({GATE})"
        );
        self.direct.batch_execute(&sql).await.unwrap();
    }

    async fn open_gate(&self) {
        self.direct.batch_execute(&format!("SELECT pg_advisory_unlock({GATE})")).await.unwrap();
    }

    /// Waits until a transaction waits in its commit. Returns the process id of its connection.
    async fn waiting_at_gate(&self) -> i32 {
        let sql = "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                   WHERE l.locktype = 'advisory' AND NOT l.granted AND l.objid = $1::oid
                     AND d.datname = current_database()";
        loop {
            let gate = u32::try_from(GATE).unwrap();
            if let Some(row) = self.direct.query_opt(sql, &[&gate]).await.unwrap() {
                return row.get(0);
            }
        }
    }

    async fn n_requests(&self) -> i64 {
        self.direct.query_one("SELECT count(*) FROM requests", &[]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_on_the_way_is_not_repeated() {
    let Some(faulty) = Faulty::new().await else { return };
    faulty.close_gate().await;
    let accept = faulty.f.ledger.accept(request(faulty.f.account, webhook()));
    let cut = async {
        faulty.waiting_at_gate().await;
        faulty.proxy.cut();
        faulty.open_gate().await;
        faulty.proxy.mend();
    };
    let (accepted, ()) = tokio::join!(accept, cut);
    accepted.unwrap();
    assert_eq!(faulty.n_requests().await, 1);
    assert_eq!(faulty.f.counts().await, [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_commit_that_the_server_has_not_finished_is_repeated() {
    let Some(faulty) = Faulty::new().await else { return };
    faulty.close_gate().await;
    let accept = faulty.f.ledger.accept(request(faulty.f.account, webhook()));
    let kill = async {
        let process = faulty.waiting_at_gate().await;
        faulty.direct.execute("SELECT pg_terminate_backend($1)", &[&process]).await.unwrap();
        faulty.open_gate().await;
    };
    let (accepted, ()) = tokio::join!(accept, kill);
    accepted.unwrap();
    assert_eq!(faulty.n_requests().await, 1);
    assert_eq!(faulty.f.counts().await, [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn operations_succeed_while_connections_are_killed_again_and_again() {
    const N_REQUESTS: usize = 200;
    let Some(faulty) = Faulty::new().await else { return };
    let accept_all = async {
        for _ in 0..N_REQUESTS / 10 {
            let mut callers = JoinSet::new();
            for _ in 0..10 {
                let (ledger, new) = (faulty.f.ledger.clone(), request(faulty.f.account, webhook()));
                callers.spawn(async move { ledger.accept(new).await });
            }
            for accepted in callers.join_all().await {
                accepted.unwrap();
            }
        }
    };
    let kill_all = async {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = 'pixaven' AND datname = current_database()";
        // Between two kills, at least one request is committed.
        let mut n_committed = 0;
        while n_committed < i64::try_from(N_REQUESTS).unwrap() {
            faulty.direct.query(sql, &[]).await.unwrap();
            let n_before = n_committed;
            while n_committed == n_before {
                n_committed = faulty.n_requests().await;
            }
        }
    };
    tokio::join!(accept_all, kill_all);
    assert_eq!(faulty.n_requests().await, i64::try_from(N_REQUESTS).unwrap());
    assert_eq!(faulty.f.ledger.claim_jobs(1_000, LEASE_MS).await.unwrap().len(), N_REQUESTS);
}

#[tokio::test]
async fn a_stopped_server_gives_passing_errors_and_no_restart_of_the_ledger_is_needed() {
    let Some(cluster) = tokio::task::spawn_blocking(|| new_cluster(Flush::Always)).await.unwrap() else {
        return;
    };
    let url = cluster.create_database("pixaven");
    let f = Fixture::open(Store::Postgres { url }, ()).await;
    let before = f.accept(webhook()).await;
    cluster.stop_at_once();
    let refused = f.ledger.accept(request(f.account, webhook())).await.unwrap_err();
    assert!(matches!(refused, Error::Away(_)) && refused.is_passing(), "{refused:?}");
    let unread = f.ledger.keys().await.unwrap_err();
    assert!(unread.is_passing(), "{unread:?}");
    cluster.start_again();
    let mut new = request(f.account, webhook());
    while let Err(error) = f.ledger.accept(new.clone()).await {
        assert!(error.is_passing(), "{error:?}");
        new = request(f.account, webhook());
    }
    let jobs = f.ledger.claim_jobs(9, LEASE_MS).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.value.id).collect::<Vec<_>>(), [before, new.id]);
}
