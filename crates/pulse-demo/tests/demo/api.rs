//! The interface over a real loopback connection: status, shape and reasons.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use pulse_demo::{Character, execute_tool};
use serde_json::{Value, json};

use crate::client::{ask, send, start};

/// The keys of an object, nested ones with a dot.
fn shape(value: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (key, inner) in value.as_object().unwrap() {
        if inner.is_object() {
            keys.extend(shape(inner).into_iter().map(|below| format!("{key}.{below}")));
        } else {
            keys.insert(key.clone());
        }
    }
    keys
}

#[test]
fn successful_answers_have_their_shape() {
    let server = start(Character::default());
    let checks =
        "checks.authentication checks.body_limit checks.input_validation checks.sql_parameters checks.tls";
    let security: Vec<String> = checks.split(' ').map(|check| format!("security.{check}")).collect();
    let health = format!("environment security.status status timestamp version {}", security.join(" "));
    let position =
        "closed_at cost entry_price exit_price id opened_at pnl quantity side status symbol tool_id user";
    let order = r#"{"symbol":"SPY","side":"buy","quantity":2,"price":100,"tool_id":3}"#;
    for (method, path, body, status, keys) in [
        ("GET", "/", "", 200, "docs name status version"),
        ("GET", "/health", "", 200, health.as_str()),
        ("GET", "/health?x=1", "", 200, health.as_str()),
        ("GET", "/health/security", "", 200, format!("status {checks}").as_str()),
        (
            "POST",
            "/api/v1/execute",
            r#"{"tool_id":1,"user_id":"u"}"#,
            200,
            "metadata.price metadata.volume score signal timestamp tool_id tool_name",
        ),
        ("POST", "/api/v1/paper/ann/positions", order, 201, position),
        ("GET", "/api/v1/paper/ann/positions", "", 200, "count positions"),
        ("GET", "/api/v1/paper/ann/positions?status=all&limit=1000", "", 200, "count positions"),
        ("POST", "/api/v1/paper/ann/positions/101/close", "", 200, position),
        (
            "GET",
            "/api/v1/paper/ann/account",
            "",
            200,
            "cash invested open_positions realized_pnl starting_cash user",
        ),
        ("GET", "/api/v1/trades", "", 200, "count trades"),
        ("GET", "/api/v1/trades?symbol=SPY&limit=5", "", 200, "count trades"),
        (
            "GET",
            "/api/v1/tools/1/performance",
            "",
            200,
            "best closed_positions last_recorded_at tool_id tool_name total_profit win_rate wins worst",
        ),
    ] {
        let answer = ask(server.addr(), method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        let keys: BTreeSet<String> = keys.split(' ').map(str::to_owned).collect();
        assert_eq!(shape(&answer.json()), keys, "{method} {path}");
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    }
}

#[test]
fn unknown_routes_and_malformed_bodies_are_refused_with_a_reason() {
    let server = start(Character::default());
    let positions = "/api/v1/paper/bob/positions";
    let large = format!(r#"{{"tool_id":1,"user_id":"u","data":{{"x":"{}"}}}}"#, "y".repeat(64 << 10));
    let deep = format!(r#"{{"tool_id":1,"user_id":"u","data":{{"x":{}"#, "[".repeat(5_000));
    for (method, path, body, status, reason) in [
        ("GET", "/nothing", "", 404, "there is no /nothing"),
        ("POST", "/health", "", 405, "POST is not possible here"),
        ("DELETE", positions, "", 405, "DELETE is not possible here"),
        ("POST", "/api/v1/execute", "", 422, "EOF while parsing"),
        ("POST", "/api/v1/execute", "{", 422, "EOF while parsing"),
        ("POST", "/api/v1/execute", "[]", 422, "invalid length 0"),
        ("POST", "/api/v1/execute", "{}", 422, "missing field `tool_id`"),
        ("POST", "/api/v1/execute", r#"{"tool_id":1}"#, 422, "missing field `user_id`"),
        ("POST", "/api/v1/execute", r#"{"tool_id":"1","user_id":"u"}"#, 422, "expected u32"),
        ("POST", "/api/v1/execute", r#"{"tool_id":-1,"user_id":"u"}"#, 422, "expected u32"),
        ("POST", "/api/v1/execute", r#"{"tool_id":0,"user_id":"u"}"#, 404, "numbered from 1 to 52"),
        ("POST", "/api/v1/execute", r#"{"tool_id":53,"user_id":"u"}"#, 404, "there is no tool 53"),
        ("POST", "/api/v1/execute", r#"{"tool_id":1,"user_id":""}"#, 422, "a user is 1 to 64"),
        (
            "POST",
            "/api/v1/execute",
            r#"{"tool_id":1,"user_id":"u","symbol":"spy"}"#,
            422,
            "a symbol is 1 to 12",
        ),
        (
            "POST",
            "/api/v1/execute",
            r#"{"tool_id":1,"user_id":"u","data":[]}"#,
            422,
            "invalid type: sequence",
        ),
        ("POST", "/api/v1/execute", &deep, 422, "recursion limit exceeded"),
        ("POST", "/api/v1/execute", &large, 413, "larger than 65536 bytes"),
    ] {
        assert_refused(server.addr(), method, path, body, status, reason);
    }
}

fn assert_refused(server: SocketAddr, method: &str, path: &str, body: &str, status: u16, reason: &str) {
    let answer = ask(server, method, path, body);
    assert_eq!(answer.status, status, "{method} {path} {body:.80}: {}", answer.body);
    let json = answer.json();
    let detail = json["detail"].as_str().unwrap();
    assert!(detail.contains(reason), "{method} {path} {body:.80}: {detail}");
}

#[test]
fn paper_trading_and_queries_refuse_with_a_reason() {
    let server = start(Character::default());
    let positions = "/api/v1/paper/bob/positions";
    let long_user = format!("/api/v1/paper/{}/account", "x".repeat(65));
    for (method, path, body, status, reason) in [
        ("POST", positions, r#"{"side":"hold","quantity":1}"#, 422, "unknown variant `hold`"),
        ("POST", positions, r#"{"side":"buy"}"#, 422, "missing field `quantity`"),
        ("POST", positions, r#"{"side":"buy","quantity":0}"#, 422, "quantity: must be from"),
        ("POST", positions, r#"{"side":"buy","quantity":-1}"#, 422, "quantity: must be from"),
        ("POST", positions, r#"{"side":"buy","quantity":1e999}"#, 422, "number out of range"),
        ("POST", positions, r#"{"side":"buy","quantity":1,"price":0}"#, 422, "price: must be from"),
        ("POST", positions, r#"{"side":"buy","quantity":1,"price":1e9}"#, 422, "price: must be from"),
        (
            "POST",
            positions,
            r#"{"side":"buy","quantity":1,"tool_id":99}"#,
            422,
            "tool_id: there is no tool 99",
        ),
        ("POST", positions, r#"{"side":"buy","quantity":1000,"price":101}"#, 409, "costs 101000.00 dollars"),
        ("POST", "/api/v1/paper/bob/positions/1/close", "", 404, "bob has no position 1"),
        ("POST", "/api/v1/paper/desk-01/positions/x/close", "", 422, "i64"),
        ("POST", "/api/v1/paper/bob/positions/1/close", r#"{"price":-1}"#, 422, "price: must be from"),
        ("GET", "/api/v1/paper/o'brien/account", "", 422, "a user is 1 to 64"),
        ("GET", "/api/v1/paper/%FF/account", "", 422, "Invalid UTF-8"),
        ("GET", &long_user, "", 422, "a user is 1 to 64"),
        ("GET", "/api/v1/paper/bob/positions?status=lost", "", 422, "unknown variant `lost`"),
        ("GET", "/api/v1/trades?limit=0", "", 422, "limit: must be from 1 to 1000"),
        ("GET", "/api/v1/trades?limit=1001", "", 422, "limit: must be from 1 to 1000"),
        ("GET", "/api/v1/trades?limit=many", "", 422, "invalid digit"),
        ("GET", "/api/v1/trades?symbol=A%27--", "", 422, "a symbol is 1 to 12"),
        ("GET", "/api/v1/trades?symbol=", "", 422, "a symbol is 1 to 12"),
        ("GET", "/api/v1/tools/53/performance", "", 404, "there is no tool 53"),
        ("GET", "/api/v1/tools/one/performance", "", 422, "u32"),
        ("GET", "/ws/quotes", "", 400, "/ws/quotes: "),
    ] {
        assert_refused(server.addr(), method, path, body, status, reason);
    }
    server.stop().unwrap();
}

#[test]
fn requests_that_are_not_http_do_not_end_the_server() {
    let server = start(Character::default());
    for request in [
        "\r\n\r\n\u{0}\u{1}nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon here\r\n\r\n",
    ] {
        assert_eq!(send(server.addr(), request).status, 400, "{request:?}");
    }
    assert_eq!(ask(server.addr(), "GET", "/health", "").status, 200);
}

#[test]
fn execute_answers_what_the_function_answers() {
    let server = start(Character::default());
    for tool_id in [1, 5, 52] {
        let data = json!({"price": 12.5, "window": [1, 2, 3]});
        let request = json!({"tool_id": tool_id, "user_id": "u", "symbol": "QQQ", "data": data}).to_string();
        let mut answer = ask(server.addr(), "POST", "/api/v1/execute", &request).json();
        let timestamp = answer.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        let expected = serde_json::to_value(execute_tool(tool_id, &data, "QQQ").unwrap()).unwrap();
        assert_eq!(answer, expected);
    }
}

#[test]
fn trades_are_filtered_limited_and_newest_first() {
    let server = start(Character::default());
    let all = ask(server.addr(), "GET", "/api/v1/trades?limit=1000", "").json();
    assert_eq!(all["count"], 200);
    let times: Vec<&str> = all["trades"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trade| trade["executed_at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    let some = ask(server.addr(), "GET", "/api/v1/trades?symbol=SPY&limit=3", "").json();
    let expected: Vec<&Value> =
        all["trades"].as_array().unwrap().iter().filter(|trade| trade["symbol"] == "SPY").take(3).collect();
    assert_eq!(some["trades"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
}

#[test]
fn the_performance_of_all_tools_adds_up_to_the_data_set() {
    let server = start(Character::default());
    let closed: i64 = (1..=52)
        .map(|id| {
            let path = format!("/api/v1/tools/{id}/performance");
            ask(server.addr(), "GET", &path, "").json()["closed_positions"].as_i64().unwrap()
        })
        .sum();
    assert_eq!(closed, 100);
}

/// Opens and closes in turns and returns the final account.
fn trade(server: SocketAddr, user: &str, rounds: u32) -> Value {
    let positions = format!("/api/v1/paper/{user}/positions");
    for round in 0..rounds {
        let side = if round % 2 == 0 { "buy" } else { "sell" };
        let order =
            json!({"symbol": "SPY", "side": side, "quantity": 1.5, "price": 100.01 + f64::from(round)});
        let opened = ask(server, "POST", &positions, &order.to_string());
        assert_eq!(opened.status, 201, "{}", opened.body);
        let id = opened.json()["id"].as_i64().unwrap();
        if round % 3 != 0 {
            let close = format!("{positions}/{id}/close");
            assert_eq!(ask(server, "POST", &close, "").status, 200);
            assert_eq!(ask(server, "POST", &close, "").status, 409, "a second time");
        }
    }
    ask(server, "GET", &format!("/api/v1/paper/{user}/account"), "").json()
}

#[test]
fn users_who_trade_at_the_same_time_keep_their_own_money() {
    let server = start(Character::default());
    let address = server.addr();
    let threads: Vec<_> =
        ["ann", "bob", "cid"].map(|user| std::thread::spawn(move || trade(address, user, 12))).into();
    for thread in threads {
        let account = thread.join().unwrap();
        let cents = |key: &str| (account[key].as_f64().unwrap() * 100.0).round() as i64;
        assert_eq!(cents("starting_cash"), 10_000_000);
        assert_eq!(
            cents("cash") + cents("invested"),
            cents("starting_cash") + cents("realized_pnl"),
            "{account}"
        );
        assert_eq!(account["open_positions"], 4);
    }
    let listed = ask(address, "GET", "/api/v1/paper/ann/positions?status=closed", "").json();
    assert_eq!(listed["count"], 8);
}

#[test]
fn a_round_trip_pays_its_profit_and_shows_in_the_tools_performance() {
    let server = start(Character::default());
    let ask = |method, path: &str, body| ask(server.addr(), method, path, body);
    let before = ask("GET", "/api/v1/tools/7/performance", "").json();
    let order = r#"{"symbol":"SPY","side":"sell","quantity":10,"price":50,"tool_id":7}"#;
    let id = ask("POST", "/api/v1/paper/eve/positions", order).json()["id"].clone();
    let open = ask("GET", "/api/v1/paper/eve/account", "").json();
    assert_eq!((&open["cash"], &open["invested"]), (&json!(99_500.0), &json!(500.0)));
    let closed = ask("POST", &format!("/api/v1/paper/eve/positions/{id}/close"), r#"{"price":48.5}"#).json();
    assert_eq!((&closed["status"], &closed["pnl"]), (&json!("closed"), &json!(15.0)));
    let account = ask("GET", "/api/v1/paper/eve/account", "").json();
    assert_eq!((&account["cash"], &account["realized_pnl"]), (&json!(100_015.0), &json!(15.0)));
    let after = ask("GET", "/api/v1/tools/7/performance", "").json();
    let count = |performance: &Value| performance["closed_positions"].as_i64().unwrap();
    assert_eq!(count(&after), count(&before) + 1);
    let trades = ask("GET", "/api/v1/trades?limit=2", "").json();
    assert_eq!((&trades["trades"][0]["side"], &trades["trades"][1]["side"]), (&json!("buy"), &json!("sell")));
}

#[test]
fn pages_are_served_as_what_they_are() {
    let server = start(Character::default());
    let docs = ask(server.addr(), "GET", "/docs", "");
    assert!(docs.head.contains("content-type: text/html") && docs.body.contains("<h1>"));
    let openapi = ask(server.addr(), "GET", "/openapi.json", "");
    assert!(openapi.head.contains("content-type: application/json"));
    assert_eq!(openapi.json()["openapi"], "3.1.0");
    assert_eq!(ask(server.addr(), "HEAD", "/health", "").body, "");
}
