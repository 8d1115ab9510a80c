//! Load options: defaults, limits, conflicts, merging and sharing; and the plan that is made from a URL.

use proptest::prelude::*;
use pulse_model::Nanos;
use pulse_plan::{
    ArrivalLaw, Authorization, Body, Budget, Closed, IdleStrategy, LoadModel, LoadOptions, Missed, Open,
    Overrides, Plan, PlanError, Profile, ServiceOptions, Stage, Template, UrlRequest, UserPool,
};

fn options() -> LoadOptions {
    LoadOptions::default()
}

#[expect(clippy::unnecessary_wraps, reason = "every use is the value of an option")]
fn stages(list: &[(u64, f64)]) -> Option<Vec<Stage>> {
    Some(list.iter().map(|&(secs, value)| Stage { length: Nanos::from_secs(secs), value }).collect())
}

#[expect(clippy::unnecessary_wraps, reason = "every use is the value of an option")]
fn seconds(secs: u64) -> Option<Nanos> {
    Some(Nanos::from_secs(secs))
}

#[test]
fn defaults() {
    let budget = Budget { duration: seconds(30), ..Budget::default() };
    let closed = Closed {
        users: Profile::constant(10.0, seconds(30)),
        pacing: Some(Nanos::from_millis(100)),
        missed: Missed::CatchUp,
        budget,
    };
    assert_eq!(options().to_model(), Ok(LoadModel::Closed(closed)));
    let open = Open {
        rate: Profile::constant(500.0, seconds(30)),
        arrivals: ArrivalLaw::Even,
        users: UserPool { initial: 100, max: 1_000 },
        budget,
    };
    assert_eq!(LoadOptions { rate: Some(500.0), ..options() }.to_model(), Ok(LoadModel::Open(open)));
}

#[test]
fn pools_follow_the_peak_rate() {
    for (rate, max_users, expected) in [
        (1.0, None, (100, 100)),
        (60.0, None, (100, 120)),
        (1e6, None, (100, 10_000)),
        (1e6, Some(7), (7, 7)),
        (1.0, Some(50_000), (100, 50_000)),
    ] {
        let Ok(LoadModel::Open(open)) = (LoadOptions { rate: Some(rate), max_users, ..options() }).to_model()
        else {
            panic!("{rate}")
        };
        assert_eq!((open.users.initial, open.users.max), expected, "{rate}");
    }
}

#[test]
fn what_ends_a_load() {
    let ramp = || stages(&[(10, 5.0), (20, 5.0)]);
    for (options, duration, end) in [
        (LoadOptions { iterations: Some(5), ..options() }, None, None),
        (LoadOptions { requests: Some(5), ..options() }, None, None),
        (LoadOptions { iterations: Some(5), duration: seconds(9), ..options() }, seconds(9), seconds(9)),
        (LoadOptions { stages: ramp(), ..options() }, seconds(30), seconds(30)),
        (LoadOptions { stages: ramp(), duration: seconds(15), ..options() }, seconds(15), seconds(15)),
        (LoadOptions { stages: ramp(), duration: seconds(60), ..options() }, seconds(60), seconds(60)),
    ] {
        let model = options.to_model().unwrap();
        assert_eq!((model.budget().duration, model.end()), (duration, end), "{options:?}");
    }
}

#[test]
fn stages_are_users_or_a_rate() {
    let of = |options: LoadOptions| match options.to_model().unwrap() {
        LoadModel::Closed(closed) => ("users", closed.users),
        LoadModel::Open(open) => ("rate", open.rate),
    };
    let ramp = || stages(&[(10, 50.0)]);
    for (options, what, at_start, held) in [
        (LoadOptions { stages: ramp(), ..options() }, "users", 0.0, 0.0),
        (LoadOptions { stages: ramp(), duration: seconds(20), ..options() }, "users", 0.0, 50.0),
        (LoadOptions { stages: ramp(), rate: Some(20.0), ..options() }, "rate", 20.0, 0.0),
        (LoadOptions { stages: ramp(), rate: Some(0.0), ..options() }, "rate", 0.0, 0.0),
        (LoadOptions { stages: ramp(), arrivals: Some(ArrivalLaw::Poisson), ..options() }, "rate", 0.0, 0.0),
    ] {
        let (found, profile) = of(options);
        assert_eq!(
            (found, profile.value(Nanos::ZERO), profile.value(Nanos::from_secs(15))),
            (what, at_start, held)
        );
    }
}

#[test]
fn what_makes_no_load_says_why() {
    let cases = [
        LoadOptions { users: Some(0), ..options() },
        LoadOptions { users: Some(1_000_001), ..options() },
        LoadOptions { rate: Some(-1.0), ..options() },
        LoadOptions { rate: Some(f64::NAN), ..options() },
        LoadOptions { rate: Some(f64::INFINITY), ..options() },
        LoadOptions { rate: Some(1.1e7), ..options() },
        LoadOptions { rate: Some(0.0), ..options() },
        LoadOptions { pace: Some(-0.5), ..options() },
        LoadOptions { pace: Some(1e-9), ..options() },
        LoadOptions { users: Some(1_000_000), pace: Some(11.0), ..options() },
        LoadOptions { duration: seconds(0), ..options() },
        LoadOptions { iterations: Some(0), ..options() },
        LoadOptions { requests: Some(0), ..options() },
        LoadOptions { rate: Some(1.0), max_users: Some(0), ..options() },
        LoadOptions { warmup: seconds(30), ..options() },
        LoadOptions { stages: stages(&[]), ..options() },
        LoadOptions { stages: stages(&[(0, 5.0)]), ..options() },
        LoadOptions { stages: stages(&[(5, 0.0)]), ..options() },
        LoadOptions { stages: stages(&[(5, f64::NAN)]), ..options() },
        LoadOptions { stages: stages(&[(5, 2e6)]), ..options() },
        LoadOptions { stages: stages(&[(5, 2e7)]), rate: Some(1.0), ..options() },
        LoadOptions { users: Some(5), stages: stages(&[(5, 5.0)]), ..options() },
        LoadOptions { users: Some(5), rate: Some(5.0), ..options() },
        LoadOptions { pace: Some(5.0), rate: Some(5.0), ..options() },
        LoadOptions { missed: Some(Missed::Skip), rate: Some(5.0), ..options() },
        LoadOptions { users: Some(5), arrivals: Some(ArrivalLaw::Even), ..options() },
        LoadOptions { arrivals: Some(ArrivalLaw::Even), ..options() },
        LoadOptions { max_users: Some(5), ..options() },
    ];
    let said: Vec<String> = cases
        .into_iter()
        .map(|case| {
            let error = case.to_model().expect_err(&format!("{case:?}"));
            format!("{}: {error}", error.option())
        })
        .collect();
    insta::assert_snapshot!("load_errors", said.join("\n"));
}

#[test]
fn what_is_given_replaces_what_it_excludes() {
    let closed = LoadOptions { users: Some(20), pace: Some(2.0), duration: seconds(60), ..options() };
    let open = LoadOptions {
        rate: Some(100.0),
        arrivals: Some(ArrivalLaw::Poisson),
        max_users: Some(9),
        duration: seconds(60),
        ..options()
    };
    let ramped = LoadOptions { stages: stages(&[(9, 9.0)]), ..options() };
    for (flags, base, expected) in [
        (options(), &closed, closed.clone()),
        (
            LoadOptions { users: Some(5), ..options() },
            &closed,
            LoadOptions { users: Some(5), ..closed.clone() },
        ),
        (
            LoadOptions { users: Some(5), ..options() },
            &open,
            LoadOptions { users: Some(5), duration: seconds(60), ..options() },
        ),
        (LoadOptions { users: Some(5), ..options() }, &ramped, LoadOptions { users: Some(5), ..options() }),
        (
            LoadOptions { rate: Some(5.0), ..options() },
            &closed,
            LoadOptions { rate: Some(5.0), duration: seconds(60), ..options() },
        ),
        (
            LoadOptions { rate: Some(5.0), ..options() },
            &open,
            LoadOptions { rate: Some(5.0), ..open.clone() },
        ),
        (
            LoadOptions { stages: stages(&[(1, 1.0)]), ..options() },
            &closed,
            LoadOptions { stages: stages(&[(1, 1.0)]), pace: Some(2.0), ..options() },
        ),
        (
            LoadOptions { stages: stages(&[(1, 1.0)]), ..options() },
            &open,
            LoadOptions { stages: stages(&[(1, 1.0)]), duration: None, ..open.clone() },
        ),
        (
            LoadOptions { arrivals: Some(ArrivalLaw::Even), ..options() },
            &ramped,
            LoadOptions { arrivals: Some(ArrivalLaw::Even), ..options() },
        ),
        (
            LoadOptions { arrivals: Some(ArrivalLaw::Even), ..options() },
            &open,
            LoadOptions { arrivals: Some(ArrivalLaw::Even), ..open.clone() },
        ),
        (
            LoadOptions { duration: seconds(5), seed: Some(3), ..options() },
            &ramped,
            LoadOptions { duration: seconds(5), seed: Some(3), ..ramped.clone() },
        ),
        (
            LoadOptions { idle: Some(IdleStrategy::Spin), ..options() },
            &LoadOptions { idle: Some(IdleStrategy::Sleep), ..open.clone() },
            LoadOptions { idle: Some(IdleStrategy::Spin), ..open.clone() },
        ),
    ] {
        assert_eq!(flags.merged_over(base), expected, "{flags:?} over {base:?}");
    }
}

#[test]
fn too_little_to_share() {
    for (options, said) in [
        (LoadOptions { users: Some(2), ..options() }, "`users` = 2"),
        (LoadOptions { iterations: Some(2), ..options() }, "`iterations` = 2"),
        (LoadOptions { requests: Some(1), ..options() }, "`requests` = 1"),
        (LoadOptions { rate: Some(10.0), max_users: Some(2), ..options() }, "`max_users` = 2"),
        (LoadOptions { stages: stages(&[(1, 1.5)]), ..options() }, "`stages` = 2"),
    ] {
        let error = options.shared(&[1.0, 1.0, 1.0]).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

fn url(text: &str) -> Overrides {
    let service = ServiceOptions { url: Some(text.to_owned()), ..ServiceOptions::default() };
    Overrides { service, ..Overrides::default() }
}

#[test]
fn a_url_is_a_plan_of_one_step() {
    for (text, name, target) in [
        ("http://127.0.0.1:8000", "GET /health", "/health"),
        ("http://127.0.0.1:8000/", "GET /", "/"),
        ("http://h/a%20b?x=1&y#z", "GET /a%20b", "/a%20b?x=1&y"),
        ("https://h?x=1", "GET /", "/?x=1"),
        ("http://h/ä b", "GET /%C3%A4%20b", "/%C3%A4%20b"),
    ] {
        let plan = Plan::for_url(&UrlRequest::default(), &url(text)).unwrap();
        let step = &plan.scenarios[0].steps[0];
        assert_eq!((&*step.name, step.target.as_static()), (name, Some(target)), "{text}");
    }
    let plan = Plan::for_url(&UrlRequest::default(), &Overrides::default()).unwrap();
    assert_eq!(plan.service.url, "http://127.0.0.1:8000");
    let info = &plan.scenario_info()[0];
    assert_eq!((info.users, info.planned_requests, info.steady), (10, Some(3_000), true));
}

#[test]
fn the_request_of_a_url() {
    let mut overrides = url("https://h/x");
    overrides.service.headers = vec![("X-A".into(), "1".into())];
    overrides.service.authorization = Some(Authorization::Basic("me:pw".into()));
    overrides.load = LoadOptions { users: Some(100), duration: seconds(60), warmup: seconds(5), ..options() };
    let request = UrlRequest { body: Some(b"${not a reference}".to_vec()), ..UrlRequest::default() };
    let plan = Plan::for_url(&request, &overrides).unwrap();
    let step = &plan.scenarios[0].steps[0];
    assert_eq!(&*step.name, "POST /x");
    assert_eq!(step.body, Body::Bytes(b"${not a reference}".as_slice().into()));
    let header = |name: &str, value: &str| (name.to_owned(), Template::literal(value));
    assert_eq!(step.headers, [header("X-A", "1"), header("Authorization", "Basic bWU6cHc=")]);
    assert_eq!(plan.scenario_info()[0].planned_requests, Some(60_000));
    assert_eq!(plan.targets.len(), 4);
    assert_eq!(plan.warmup, Nanos::from_secs(5));
}

#[test]
fn requests_that_cannot_be_sent() {
    let request = |method: &str| UrlRequest { method: Some(method.into()), ..UrlRequest::default() };
    let mut bad_header = url("http://h");
    bad_header.service.headers = vec![("A".into(), "x\r\ny".into())];
    let mut no_time = url("http://h");
    no_time.service.timeout = Some(Nanos::ZERO);
    for (request, overrides, said) in [
        (request("get it"), url("http://h"), "`get it` is not an HTTP method; write for example GET or POST"),
        (
            request("GET"),
            bad_header,
            "the header `A` cannot be sent: a value must not contain line breaks or other control characters",
        ),
        (request("GET"), no_time, "`timeout` must be longer than 0s"),
    ] {
        let error = Plan::for_url(&request, &overrides).unwrap_err();
        assert!(matches!(error, PlanError::Service(_)));
        assert_eq!(error.to_string(), said);
    }
}

prop_compose! {
    fn arbitrary_options()(
        users in prop::option::of(any::<u64>()), rate in prop::option::of(any::<f64>()),
        list in prop::option::of(prop::collection::vec((0..100_u64, any::<f64>()), 0..4)),
        duration in prop::option::of(any::<u64>()), warmup in prop::option::of(any::<u64>()),
        budgets in any::<(Option<u64>, Option<u64>, Option<u64>)>(), pace in prop::option::of(any::<f64>()),
    ) -> LoadOptions {
        LoadOptions {
            users, rate, stages: list.and_then(|list| stages(&list)), duration: duration.map(Nanos),
            warmup: warmup.map(Nanos), iterations: budgets.0, requests: budgets.1, max_users: budgets.2, pace,
            ..LoadOptions::default()
        }
    }
}

proptest! {
    #[test]
    fn no_options_panic(flags in arbitrary_options(), base in arbitrary_options()) {
        let _ = flags.to_model();
        let _ = flags.merged_over(&base).shared(&[1.0, 2.5, 1e6]);
        let _ = Plan::for_url(&UrlRequest::default(), &Overrides { load: flags, ..Overrides::default() });
    }

    #[test]
    fn shares_sum_up_to_the_whole(
        users in 1..1_000_000_u64, iterations in 1..u64::MAX, weights in prop::collection::vec(1e-6..1e6, 1..20)
    ) {
        let whole = LoadOptions { users: Some(users), iterations: Some(iterations), pace: Some(0.0), ..LoadOptions::default() };
        if let Ok(parts) = whole.shared(&weights) {
            prop_assert_eq!(parts.iter().filter_map(|part| part.users).sum::<u64>(), users);
            let sum: u128 = parts.iter().filter_map(|part| part.iterations).map(u128::from).sum();
            prop_assert_eq!(sum, u128::from(iterations));
        }
    }

    #[test]
    fn shared_rates_and_ramps_sum_up_to_the_whole(
        list in prop::collection::vec((1..100_u64, 0..10_000_u32), 1..5), weights in prop::collection::vec(1..100_u32, 1..8), open: bool
    ) {
        let list: Vec<(u64, f64)> = list.into_iter().map(|(length, value)| (length, f64::from(value))).collect();
        let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
        let whole = LoadOptions { stages: stages(&list), rate: open.then_some(0.0), ..LoadOptions::default() };
        if let Ok(parts) = whole.shared(&weights) {
            for (i, (_, value)) in list.iter().enumerate() {
                let sum: f64 = parts.iter().filter_map(|part| Some(part.stages.as_ref()?[i].value)).sum();
                prop_assert!((sum - value).abs() < 1e-6 * value.max(1.0), "{} {}", sum, value);
            }
        }
    }
}
