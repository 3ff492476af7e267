%% What OTP itself does in the same situation: N workers in groups of 100 under a root supervisor; one worker after the
%% other is killed, and the next one not before the last has been started again. Prints restarts a second.
-module(kernel_restarts).
-behaviour(supervisor).
-export([main/1, init/1, start_worker/1]).

-define(GROUP, 100).
-define(STEP, 7919).

main([Strategy, Children, Restarts]) ->
    logger:set_primary_config(level, none),
    N = list_to_integer(Children),
    Count = list_to_integer(Restarts),
    register(driver, self()),
    {ok, Root} = supervisor:start_link(?MODULE, {root, list_to_atom(Strategy), N div ?GROUP}),
    case Strategy of
        "simple_one_for_one" -> fill(Root);
        _ -> ok
    end,
    Workers = ets:new(workers, [set]),
    collect(N, Workers),
    Begin = erlang:monotonic_time(microsecond),
    restart(Count, N, Workers),
    Seconds = (erlang:monotonic_time(microsecond) - Begin) / 1.0e6,
    io:format("~.1f~n", [Count / Seconds]),
    halt(0).

fill(Root) ->
    Groups = [{Id, Pid} || {Id, Pid, _, _} <- supervisor:which_children(Root)],
    [{ok, _} = supervisor:start_child(Pid, [Group * ?GROUP + I]) || {Group, Pid} <- Groups, I <- lists:seq(0, ?GROUP - 1)].

collect(0, _) ->
    ok;
collect(N, Workers) ->
    receive {up, Id, Pid} -> ets:insert(Workers, {Id, Pid}) end,
    collect(N - 1, Workers).

restart(0, _, _) ->
    ok;
restart(Count, N, Workers) ->
    Id = (Count * ?STEP) rem N,
    [{Id, Pid}] = ets:lookup(Workers, Id),
    exit(Pid, kill),
    receive {up, Id, New} -> ets:insert(Workers, {Id, New}) end,
    restart(Count - 1, N, Workers).

init({root, Strategy, Groups}) ->
    Group = fun(G) ->
        #{id => G, type => supervisor, start => {supervisor, start_link, [?MODULE, {group, Strategy, G}]}}
    end,
    {ok, {flags(one_for_one), [Group(G) || G <- lists:seq(0, Groups - 1)]}};
init({group, simple_one_for_one, _}) ->
    {ok, {flags(simple_one_for_one), [#{id => worker, start => {?MODULE, start_worker, []}}]}};
init({group, Strategy, G}) ->
    Worker = fun(Id) -> #{id => Id, start => {?MODULE, start_worker, [Id]}} end,
    {ok, {flags(Strategy), [Worker(G * ?GROUP + I) || I <- lists:seq(0, ?GROUP - 1)]}}.

flags(Strategy) ->
    #{strategy => Strategy, intensity => 1000000000, period => 1}.

start_worker(Id) ->
    {ok, spawn_link(fun() -> driver ! {up, Id, self()}, receive stop -> ok end end)}.
