"""Under the lockdown, what data work needs works; one test a library."""

import importlib.util

import pytest

import sandbox


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    rows = "".join(
        f"2024-{1 + i % 12:02}-{1 + i % 28:02},{'NSEW'[i % 4]},{i},{i * 1.5}\n" for i in range(200)
    )
    path.write_text("day,region,units,amount\n" + rows, encoding="utf-8")
    return path


@pytest.fixture
def shown(path):
    """Runs a step that must not fail, and returns what it printed."""
    with sandbox.open([path]) as session:

        def run(code):
            execution = session.run(code)
            assert execution.error is None, execution.error
            return execution.stdout

        run.session = session
        yield run


def test_pandas(shown):
    assert shown("df.groupby('region')['amount'].sum().idxmax()") == "W\n"
    assert shown("df.pivot_table(index='region', columns='units', values='amount').shape") == "(4, 200)\n"
    assert shown("df.merge(df, on='units').query('amount_x > 297').shape[0]") == "1\n"
    assert shown("df.rolling(7, on='day')['amount'].mean().notna().sum()") == "194\n"
    assert shown("pd.qcut(df['amount'], 4).value_counts().tolist()") == "[50, 50, 50, 50]\n"


def test_numpy(shown):
    assert shown("np.linalg.solve(np.eye(3) * 2, np.ones(3)).tolist()") == "[0.5, 0.5, 0.5]\n"
    assert shown("np.fft.fft(np.ones(8))[0].real") == "8.0\n"
    assert shown("np.random.default_rng(0).integers(10, size=3).tolist()") == "[8, 6, 5]\n"
    assert shown("np.save('a.npy', np.arange(3)); np.load('a.npy', mmap_mode='r').sum()") == "3\n"


def test_scipy(shown):
    assert shown("from scipy import stats; round(stats.pearsonr(df.units, df.amount)[0], 6)") == "1.0\n"
    assert (
        shown("from scipy import optimize; round(optimize.brentq(lambda x: x**2 - 2, 0, 2), 4)") == "1.4142\n"
    )
    assert shown("from scipy import signal; signal.find_peaks([0, 1, 0])[0].tolist()") == "[1]\n"
    assert shown("from scipy import interpolate, sparse; sparse.eye(3).sum()") == "3.0\n"


def test_scikit_learn_in_threads(shown):
    code = """
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import cross_val_score
forest = RandomForestRegressor(20, n_jobs=2, random_state=0)
round(cross_val_score(forest, df[['units']], df['amount'], cv=3, n_jobs=1, scoring='r2').mean()) <= 1
"""
    assert shown(code) == "True\n"
    assert shown("forest.fit(df[['units']], df['amount']).predict(df[['units']].head(1))[0] < 5") == "True\n"


def test_scikit_learn_that_asks_for_processes_gets_by(shown):
    code = """
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
search = GridSearchCV(LinearRegression(), {'fit_intercept': [True, False]}, n_jobs=2)
round(search.fit(df[['units']], df['amount']).best_score_, 3)
"""
    assert shown(code) == "1.0\n"


@pytest.mark.skipif(not importlib.util.find_spec("statsmodels"), reason="statsmodels is not installed")
def test_statsmodels(shown):
    code = (
        "import statsmodels.formula.api as smf; smf.ols('amount ~ units', df).fit().params['units'].round(3)"
    )
    assert shown(code) == "1.5\n"


def test_matplotlib(shown):
    code = """
fig, axes = plt.subplots(1, 3)
df['amount'].plot(ax=axes[0], title='größer ≥ 3, 中文')
axes[1].pie([1, 2], labels=['a', '$x^2$'])
axes[2].imshow(np.eye(4))
plt.savefig('plot.png'), plt.savefig('plot.svg'), plt.savefig('plot.pdf')
"""
    execution = shown.session.run(code)
    assert execution.error is None
    assert len(execution.figures) == 1
    assert {"plot.png", "plot.svg", "plot.pdf"} <= set(execution.files)


def test_seaborn(shown):
    code = "import seaborn as sns\n_ = sns.boxplot(data=df, x='region', y='amount', hue='region')"
    assert len(shown.session.run(code).figures) == 1
    assert len(shown.session.run("_ = sns.pairplot(df[['units', 'amount']])").figures) == 1


def test_duckdb(shown):
    assert (
        shown("sql('select region, sum(units)::int u from sales group by 1 order by 2 desc').u[0]")
        == "5050\n"
    )
    assert shown("sql(\"select date_trunc('month', day) m from sales\").m.nunique()") == "12\n"
    assert shown("sql(\"copy sales to 'out.parquet'\"); len(pd.read_parquet('out.parquet'))") == "200\n"
    assert shown("sql(\"from 'sales.csv' where units < 3\").shape") == "(3, 4)\n"
    assert shown("import duckdb; duckdb.connect('own.db').sql('select 42').fetchall()") == "[(42,)]\n"


def test_parquet_csv_and_json_files(shown):
    for kind, options in (("parquet", ""), ("json", ""), ("csv", ", index=False"), ("pickle", "")):
        assert shown(f"df.to_{kind}('t.x'{options}); len(pd.read_{kind}('t.x'))") == "200\n"
    assert shown("df.to_csv('t.csv.gz'); len(pd.read_csv('t.csv.gz'))") == "200\n"
    assert (
        shown("df.to_parquet('parts', partition_cols=['region']); len(pd.read_parquet('parts'))") == "200\n"
    )


def test_excel_files(shown):
    code = """
with pd.ExcelWriter('book.xlsx') as writer:
    for region, part in df.groupby('region'):
        part.to_excel(writer, sheet_name=region, index=False)
sorted(pd.read_excel('book.xlsx', sheet_name=None)), len(pd.read_excel('book.xlsx', 'N', engine='calamine'))
"""
    assert shown(code) == "(['E', 'N', 'S', 'W'], 50)\n"


def test_dates_and_time_zones(shown):
    assert shown("df['day'].dt.month.nunique(), df['day'].dtype.kind") == "(12, 'M')\n"
    code = "pd.Timestamp('2024-07-01 12:00', tz='Europe/Berlin').tz_convert('Asia/Tokyo').isoformat()"
    assert shown(code) == "2024-07-01T19:00:00+09:00\n"
    shown("from zoneinfo import ZoneInfo; zone = ZoneInfo('America/New_York')")
    assert shown("datetime.datetime(2024, 1, 1, tzinfo=zone).tzname()") == "EST\n"
    assert shown("df.set_index('day').resample('ME')['units'].sum().size") == "12\n"
    assert shown("import time; time.tzname[0]") == "UTC\n"


def test_text_regular_expressions_and_json(shown):
    assert shown("df['region'].str.extract('(N|S)').notna().sum().iloc[0]") == "100\n"
    assert shown("import json; json.loads(json.dumps({'a': [1, 'ß']}))['a'][1]") == "ß\n"
    assert (
        shown("import collections, itertools, functools, statistics; statistics.median([1, 3, 2])") == "2\n"
    )


def test_sqlite(shown):
    code = """
import sqlite3
with sqlite3.connect('own.sqlite') as base:
    df.to_sql('sales', base, index=False)
pd.read_sql('select count(*) n from sales', base).n[0]
"""
    assert shown(code) == "200\n"


def test_files_and_folders_of_its_own(shown):
    code = """
import os, pathlib, shutil, tempfile, zipfile
os.makedirs('a/b')
pathlib.Path('a/b/f.txt').write_text('x')
shutil.copy('a/b/f.txt', 'a/g.txt'); shutil.copy2('a/g.txt', 'h.txt'); shutil.copytree('a', 'c')
shutil.move('h.txt', 'a/b/h.txt'); os.replace('a/g.txt', 'g.txt')
with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(folder + '/z.zip', 'w') as archive:
    archive.write('g.txt')
shutil.rmtree('a')
sorted(os.listdir('.')), sorted(os.listdir('c'))
"""
    assert shown(code) == "(['c', 'g.txt', 'sales.csv'], ['b', 'g.txt'])\n"


def test_threads(shown):
    code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    total = sum(pool.map(lambda n: df['units'].iloc[n], range(10)))
total
"""
    assert shown(code) == "45\n"


def test_processes_are_refused_in_words(path):
    with sandbox.open([path]) as session:
        error = session.run("from multiprocessing import Pool\nwith Pool(2) as p: p.map(abs, [1])").error
    assert (error.kind, error.message) == (
        "PermissionError",
        "processes cannot be started here; use plain code or threads",
    )
